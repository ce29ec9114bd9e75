//! The topics and where their logs end.
use std::collections::BTreeMap;

use anyhow::Context;
use courant::admin::{Admin, ErrorKind, IsolationLevel, NewTopic, OffsetSpec};
use courant::{Kafka, Offset, TopicPartition};

/// Where the good rows go.
pub(crate) const DEPARTURES: &str = "departures";
/// Where the rows go that cannot be read.
pub(crate) const DEAD: &str = "departures.dead";
/// Where the means go.
pub(crate) const MEANS: &str = "departures.means";
/// How many partitions topics get that do not exist yet.
const PARTITIONS: i32 = 6;

/// The offset after the last record, by partition.
pub(crate) type Ends = BTreeMap<TopicPartition, Offset>;

/// The topics of this job.
pub(crate) struct Topics {
    admin: Admin,
    /// Where the logs ended before this run.
    before: Ends,
}

impl Topics {
    /// Creates the topics; one that exists is used as it is.
    pub(crate) async fn create(kafka: &Kafka) -> anyhow::Result<Self> {
        let admin = Admin::new(kafka);
        // Brokers retain by record time, and these events are years old: without this line they would soon be gone.
        let keep_everything =
            |name, partitions| NewTopic::new(name).partitions(partitions).config("retention.ms", "-1");
        let topics = [
            keep_everything(DEPARTURES, PARTITIONS),
            keep_everything(DEAD, 1),
            keep_everything(MEANS, PARTITIONS),
        ];
        for (name, created) in admin.create_topics(topics).await {
            match created {
                Err(error) if error.kind() == ErrorKind::TopicExists => {}
                created => drop(created.with_context(|| format!("cannot create topic {name}"))?),
            }
        }
        let before = ends(&admin, &[DEPARTURES, DEAD, MEANS]).await?;
        Ok(Self { admin, before })
    }

    /// Where the means end now, in the partitions that have any.
    pub(crate) async fn ends_of_means(&self) -> anyhow::Result<Ends> {
        let mut ends = ends(&self.admin, &[MEANS]).await?;
        ends.retain(|_, end| end.0 > 0);
        Ok(ends)
    }

    /// By how much the logs grew: the ends before the run and the ends now.
    pub(crate) async fn grown(&self) -> anyhow::Result<BTreeMap<TopicPartition, (Offset, Offset)>> {
        let ends = ends(&self.admin, &[DEPARTURES, DEAD, MEANS]).await?;
        let grown = ends.into_iter().map(|(partition, end)| {
            let start = self.before.get(&partition).copied().unwrap_or(Offset(0));
            (partition, (start, end))
        });
        Ok(grown.collect())
    }
}

async fn ends(admin: &Admin, topics: &[&str]) -> anyhow::Result<Ends> {
    let topics =
        admin.describe_topics(topics.iter().copied()).await.all().context("cannot describe the topics")?;
    let partitions = topics.iter().flat_map(|(_, topic)| {
        topic
            .partitions
            .iter()
            .map(|p| (TopicPartition::new(topic.name.clone(), p.partition), OffsetSpec::Latest))
    });
    let listed = admin.list_offsets(partitions, IsolationLevel::ReadUncommitted).await.all();
    let listed = listed.context("cannot list the ends of the logs")?;
    Ok(listed.into_iter().map(|(partition, end)| (partition, end.offset.unwrap_or(Offset(0)))).collect())
}
