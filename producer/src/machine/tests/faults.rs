//! Whatever fails and in whatever order: each record is written once, in order, and has an outcome that is true.
use proptest::prelude::*;

use super::*;

/// What happens to a request on its way.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Answered,
    /// The broker has it, and its answer is lost.
    AppliedThenCut,
    CutBefore,
    Refused,
    /// It waits at the broker while later ones are answered.
    TimedOutAfterApplying,
    /// The broker has it, and is no leader any more before its replicas do.
    RefusedAfterApplying,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Answered),
        1 => Just(Fate::AppliedThenCut),
        1 => Just(Fate::CutBefore),
        1 => Just(Fate::Refused),
        1 => Just(Fate::TimedOutAfterApplying),
        1 => Just(Fate::RefusedAfterApplying),
    ]
}

/// Sends what is ready over one connection, which is processed in order and cut for all that is behind a cut.
fn exchange(scene: &mut Scene, broker: &mut ModelBroker, fate: Fate, at_a_time: usize) {
    let requests: Vec<Outgoing> = (0..at_a_time).map_while(|_| scene.request()).collect();
    let mut cut = false;
    for request in requests {
        if cut {
            scene.lose(&request);
            continue;
        }
        match fate {
            Fate::Answered => {
                let answer = broker.append(only_records(&request));
                scene.answer(&request, |_| answer.clone());
            }
            Fate::AppliedThenCut => {
                broker.append(only_records(&request));
                scene.lose(&request);
                cut = true;
            }
            Fate::CutBefore => {
                scene.lose(&request);
                cut = true;
            }
            Fate::Refused => scene.answer(&request, |_| refused(ErrorCode::NOT_LEADER_OR_FOLLOWER)),
            Fate::TimedOutAfterApplying => {
                let answer = broker.append(only_records(&request));
                let code = ErrorCode(answer.error_code);
                let answer = if code.is_ok() { refused(ErrorCode::REQUEST_TIMED_OUT) } else { answer };
                scene.answer(&request, |_| answer.clone());
            }
            Fate::RefusedAfterApplying => {
                let mut answer = broker.append(only_records(&request));
                if ErrorCode(answer.error_code).is_ok() {
                    answer.error_code = ErrorCode::NOT_LEADER_OR_FOLLOWER.0;
                }
                scene.answer(&request, |_| answer.clone());
            }
        }
    }
}

/// Plays the faults, `step` apart, and then lets everything come through.
fn play(sizes: Vec<u32>, fates: Vec<(Fate, usize)>, step: Duration) -> (Scene, ModelBroker, Vec<u32>) {
    let mut scene = Scene::new(settings(), 1);
    let mut broker = ModelBroker::default();
    let (mut fates, mut left) = (fates.into_iter(), sizes.iter());
    for _ in 0..1000 {
        if let Some(size) = left.next() {
            scene.push(0, *size);
        }
        let (fate, at_a_time) = fates.next().unwrap_or((Fate::Answered, 1));
        exchange(&mut scene, &mut broker, fate, at_a_time);
        scene.wait(step);
        if scene.sender.is_idle() && left.len() == 0 {
            break;
        }
    }
    (scene, broker, sizes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn records_are_written_once_and_in_order(
        sizes in prop::collection::vec(1_u32..5, 1..30),
        fates in prop::collection::vec((fate(), 1_usize..6), 0..60),
    ) {
        let (scene, broker, sizes) = play(sizes, fates, SECOND / 10);
        prop_assert!(scene.sender.is_idle(), "everything ends");
        let expected: Vec<String> = (0..sizes.iter().sum()).map(|n| format!("{n:0>20}")).collect();
        prop_assert_eq!(&broker.log, &expected);
        for (nth, completion) in scene.completions.iter().enumerate() {
            prop_assert!(matches!(completion.now(0), Some(Delivered::At { .. })), "batch {} is delivered", nth);
        }
    }

    #[test]
    fn what_times_out_is_told_truly(
        sizes in prop::collection::vec(1_u32..5, 1..30),
        fates in prop::collection::vec((fate(), 1_usize..6), 10..60),
    ) {
        let (scene, broker, sizes) = play(sizes, fates, 25 * SECOND);
        prop_assert!(scene.sender.is_idle(), "everything ends");
        prop_assert!(broker.log.windows(2).all(|pair| pair[0] < pair[1]), "in order, none twice: {:?}", broker.log);
        let mut first = 0;
        for (size, completion) in sizes.iter().zip(&scene.completions) {
            let written = broker.log.contains(&format!("{first:0>20}"));
            match completion.now(0) {
                Some(Delivered::At { .. }) => prop_assert!(written),
                Some(Delivered::Failed { error, .. }) => prop_assert!(!written || error.possibly_written()),
                other => prop_assert!(false, "{other:?}"),
            }
            first += size;
        }
    }
}
