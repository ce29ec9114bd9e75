//! One node's `node.properties`: a combined broker and controller.

use std::path::Path;

/// The ports of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    /// For clients.
    pub(crate) broker: u16,
    /// For the quorum.
    pub(crate) controller: u16,
}

/// The properties of node `node` (from 1) among the nodes with these ports.
pub(crate) fn properties(
    version: &str,
    node: usize,
    ports: &[Ports],
    log_dir: &Path,
    more: &[String],
) -> String {
    let own = ports.get(node - 1).copied().unwrap_or(Ports { broker: 0, controller: 0 });
    let voters: Vec<String> = ports
        .iter()
        .enumerate()
        .map(|(index, ports)| format!("{}@127.0.0.1:{}", index + 1, ports.controller))
        .collect();
    let replicas = ports.len().min(3);
    let in_sync = if replicas > 1 { 2 } else { 1 };
    // 3.9 knows neither share nor streams groups.
    let protocols =
        if version.starts_with("3.") { "classic,consumer" } else { "classic,consumer,share,streams" };
    let mut lines = vec![
        "process.roles=broker,controller".to_owned(),
        format!("node.id={node}"),
        format!("controller.quorum.voters={}", voters.join(",")),
        format!("listeners=PLAINTEXT://127.0.0.1:{},CONTROLLER://127.0.0.1:{}", own.broker, own.controller),
        format!("advertised.listeners=PLAINTEXT://127.0.0.1:{}", own.broker),
        "controller.listener.names=CONTROLLER".to_owned(),
        "inter.broker.listener.name=PLAINTEXT".to_owned(),
        format!("log.dirs={}", log_dir.display()),
        format!("default.replication.factor={replicas}"),
        format!("offsets.topic.replication.factor={replicas}"),
        "offsets.topic.num.partitions=5".to_owned(),
        format!("transaction.state.log.replication.factor={replicas}"),
        format!("transaction.state.log.min.isr={in_sync}"),
        "transaction.state.log.num.partitions=5".to_owned(),
        "group.initial.rebalance.delay.ms=0".to_owned(),
        format!("group.coordinator.rebalance.protocols={protocols}"),
        // Test events are years old and a broker retains by record time: without these two lines they vanish soon.
        "log.retention.check.interval.ms=86400000".to_owned(),
        "log.initial.task.delay.ms=86400000".to_owned(),
    ];
    if !version.starts_with("3.") {
        lines.push(format!("share.coordinator.state.topic.replication.factor={replicas}"));
        lines.push(format!("share.coordinator.state.topic.min.isr={in_sync}"));
    }
    lines.extend(more.iter().cloned());
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_nodes_vote_and_replicate_three_times() {
        let ports = [1, 2, 3].map(|n| Ports { broker: 9000 + n, controller: 9100 + n });
        let text = properties("4.3.1", 2, &ports, Path::new("data2"), &["num.partitions=6".to_owned()]);
        for line in [
            "node.id=2",
            "controller.quorum.voters=1@127.0.0.1:9101,2@127.0.0.1:9102,3@127.0.0.1:9103",
            "listeners=PLAINTEXT://127.0.0.1:9002,CONTROLLER://127.0.0.1:9102",
            "transaction.state.log.min.isr=2",
            "share.coordinator.state.topic.replication.factor=3",
            "num.partitions=6",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn one_old_node_knows_no_share_groups() {
        let text = properties("3.9.2", 1, &[Ports { broker: 1, controller: 2 }], Path::new("data1"), &[]);
        assert!(!text.contains("share"), "{text}");
        assert!(text.contains("offsets.topic.replication.factor=1\n"));
    }
}
