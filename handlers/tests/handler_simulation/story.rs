//! One run: a group at work while the world is rough, and what has become of it when it is calm again.
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use courant_broker_mock::MockCluster;
use courant_consumer::assignor::Assignor;
use courant_runtime::{Rng, watch};
use courant_sim::{Chaos, LinkFaults, Sim};

use crate::ledger::{DEAD, GROUP, Ledger, TOPIC};
use crate::member::{Application, Phase};
use crate::plan::Plan;
use crate::writers::Writers;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How long a group may take to come to rest in a calm world: sessions of the dead end, and what was written is worked on.
const REST: Duration = Duration::from_secs(900);

/// What a run came to.
pub struct Summary {
    pub begun: usize,
    pub again: usize,
    pub letters: usize,
}

/// Runs a plan and checks what must hold.
pub fn run(sim: &Sim, plan: &Plan) -> Outcome<Summary> {
    let builder = MockCluster::builder().brokers(3).topic(TOPIC, plan.partitions).topic(DEAD, 1);
    let builder = builder.config("log.retention.ms", "-1").config("group.initial.rebalance.delay.ms", "500");
    let cluster = builder.seed(sim.seed()).world(sim.world("brokers")).build()?;
    sim.serve(cluster.transport());
    sim.note(format_args!("{plan:?}"));
    let ledger = Arc::new(Mutex::new(Ledger::new(sim, cluster.clone(), plan.concurrency.is_none())));
    sim.run(story(sim, plan, &cluster, &ledger))??;
    let ledger = ledger.lock().unwrap();
    Ok(Summary { begun: ledger.begun, again: ledger.again, letters: ledger.letters().len() })
}

async fn story(sim: &Sim, plan: &Plan, cluster: &MockCluster, ledger: &Arc<Mutex<Ledger>>) -> Outcome<()> {
    sim.faults(LinkFaults::rough());
    let (tell_phase, phase) = watch::channel(Phase::Rough);
    let applications: Vec<Application> = plan
        .names()
        .into_iter()
        .map(|name| Application {
            name,
            sim: sim.clone(),
            plan: plan.clone(),
            bootstrap: cluster.bootstrap(),
            ledger: Arc::clone(ledger),
            phase: phase.clone(),
            lives: Arc::default(),
            done: Arc::new(watch::Sender::new(false)),
        })
        .collect();
    let ends: Vec<_> = applications.iter().map(|application| application.done.subscribe()).collect();
    let hosts: Vec<_> = applications.into_iter().map(Application::start).collect();
    let chaos = Chaos::new(sim, cluster).hosts(plan.names()).victims(hosts).pause_max(Duration::from_secs(4));
    let mut writers = Writers::new(cluster, plan, ledger);
    tokio::join!(chaos.run_for(plan.chaos), trouble(sim, plan, cluster, &mut writers));
    writers.end_all(&mut sim.rng("ends"));
    tell_phase.send_replace(Phase::Calm);
    sim.note("the world is calm");

    rest(sim, plan, cluster, ledger).await?;
    let mut late = sim.rng("late");
    writers.write(&mut late, 5);
    writers.end_all(&mut late);
    rest(sim, plan, cluster, ledger).await?;
    tell_phase.send_replace(Phase::Over);
    for mut end in ends {
        end.wait_for(|done| *done).await?;
    }
    let mut ledger = ledger.lock().unwrap();
    ledger.check_commits();
    ledger.violation().map_or(Ok(()), |violation| Err(violation.clone().into()))
}

/// Records keep coming, the coordinator moves, and members are expelled.
async fn trouble(sim: &Sim, plan: &Plan, cluster: &MockCluster, writers: &mut Writers) {
    let mut rng = sim.rng("trouble");
    let end = sim.elapsed() + plan.chaos;
    while sim.elapsed() < end {
        tokio::time::sleep(rng.duration(Duration::ZERO, Duration::from_secs(2))).await;
        let count = 1 + rng.below(3);
        writers.write(&mut rng, count);
        if rng.chance(0.03) {
            let nodes = cluster.nodes();
            let node = nodes[rng.below(nodes.len() as u64) as usize];
            if cluster.move_coordinator(GROUP, node).is_ok() {
                sim.note(format_args!("broker {node} coordinates {GROUP}"));
            }
        }
        if rng.chance(0.02) {
            expel(sim, cluster, &mut rng);
        }
    }
}

fn expel(sim: &Sim, cluster: &MockCluster, rng: &mut Rng) {
    let Some(group) = cluster.group(GROUP).filter(|group| !group.members.is_empty()) else { return };
    let member = &group.members[rng.below(group.members.len() as u64) as usize].member_id;
    if cluster.expire_member(GROUP, member).is_ok() {
        sim.note(format_args!("the session of {member} is over"));
    }
}

/// Waits until everything is handled and committed; fails with the first thing that is wrong.
///
/// One thing nobody but Kafka could mend: a static member that dies between being told to let go of a partition and letting
/// go of it may leave it to nobody until the next rebalance (KIP-345); here it comes after half of the time.
async fn rest(sim: &Sim, plan: &Plan, cluster: &MockCluster, ledger: &Arc<Mutex<Ledger>>) -> Outcome<()> {
    let start = sim.elapsed();
    let mut may_be_stranded = plan.are_static && plan.assignors == [Assignor::CooperativeSticky];
    loop {
        let missing = {
            let ledger = ledger.lock().unwrap();
            if let Some(violation) = ledger.violation() {
                return Err(violation.clone().into());
            }
            ledger.missing()
        };
        let waited = sim.elapsed() - start;
        match missing {
            None => return Ok(()),
            Some(missing) if waited > REST => {
                return Err(format!("after {REST:?} {missing}; {:?}", cluster.group(GROUP)).into());
            }
            Some(_) if may_be_stranded && waited > REST / 2 => {
                may_be_stranded = false;
                expel(sim, cluster, &mut sim.rng("rebalance"));
            }
            Some(_) => tokio::time::sleep(Duration::from_millis(500)).await,
        }
    }
}
