//! What becomes of a batch that the compressor fails on.
use courant_protocol::compression::{Codec, CompressionScratch};
use courant_protocol::types::{PartitionId, TopicId, TopicName};

use crate::append::{Claim, Delivered, Destination, Payload, Room, RoomOptions};
use crate::machine::Batch;
use crate::partitioner::Standing;

#[test]
fn a_batch_that_cannot_be_compressed_gives_its_records_back() {
    let room = Room::new(RoomOptions { compressed: true, ..RoomOptions::small() });
    room.know_topic(&TopicName::from("t"), TopicId::ZERO, vec![Standing::led_by(0)]);
    let payload = Payload { key: Some(b"key"), value: Some(b"value"), headers: &[], timestamp: None };
    let to = Destination { topic: "t", partition: Some(PartitionId(0)) };
    let Ok(appended) = room.append(to, &payload, &mut Claim::default()) else { panic!("there is room") };
    assert!(room.supplies.permits.free() < 10_000);

    let (mut slots, mut taken) = (Vec::new(), Vec::new());
    assert!(room.supplies.bell.hear(&mut slots));
    slots[0].take_all(&mut taken);
    // zstd has no such level.
    let sealed = Batch::seal(taken.pop().unwrap(), Codec::Zstd, Some(99), &mut CompressionScratch::new());
    assert!(sealed.is_none(), "nothing is left to send");
    let Some(Delivered::Failed { error, undelivered }) = appended.completion.now(appended.index) else {
        panic!("it has failed");
    };
    assert!(error.to_string().contains("`compression.type`"), "{error}");
    let undelivered = undelivered.unwrap();
    let (_, record) = undelivered.record(0).unwrap();
    assert_eq!(record.value, Some(&b"value"[..]));
    drop(undelivered);
    assert_eq!(room.supplies.permits.free(), 10_000, "its bytes are free again");
}
