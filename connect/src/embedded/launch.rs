//! From a connector's type and properties to its running tasks.
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use courant_client::Kafka;
use courant_consumer::Consumer;
use courant_producer::Producer;
use courant_runtime::{BoxFuture, Task, watch};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::api::{Config, ConnectorContext, Sink, SinkCommands, SinkContext, Source, SourceContext};
use crate::embedded::control::{Control, ControlReceiver};
use crate::embedded::conversion::Conversion;
use crate::embedded::crash_points::CrashPoints;
use crate::embedded::in_flight::InFlight;
use crate::embedded::letters::Letters;
use crate::embedded::offsets_topic::OffsetsTopic;
use crate::embedded::outlet::{Outlet, TARGET};
use crate::embedded::settings::{
    COMMON_PROPERTIES, ConnectorKind, ConnectorSettings, PropertyMap, WorkerSettings,
};
use crate::embedded::sink_task::{self, SinkParts};
use crate::embedded::source_task::{self, SourceParts};
use crate::embedded::status::{ConnectorStatus, Progress, StatusCell, TaskStatus};
use crate::embedded::transforms::Transforms;
use crate::error::{Error, ErrorKind, Result};

/// What all connectors of a worker share.
pub(crate) struct Shared {
    pub(crate) kafka: Kafka,
    pub(crate) settings: WorkerSettings,
    /// Properties for connectors that do not set them.
    pub(crate) defaults: PropertyMap,
    pub(crate) transforms: Transforms,
    pub(crate) offsets: OnceCell<Arc<OffsetsTopic>>,
    pub(crate) crash_points: CrashPoints,
}

/// Starts a connector of a type that is known to it.
pub(crate) type Launcher =
    Arc<dyn Fn(Arc<Shared>, String, PropertyMap) -> BoxFuture<'static, Result<Launched>> + Send + Sync>;

/// A running connector. Dropping it ends its tasks where they stand, unless they were told to end: then they do so by
/// themselves.
pub(crate) struct Launched {
    pub(crate) status: Arc<watch::Sender<ConnectorStatus>>,
    pub(crate) control: Arc<watch::Sender<Control>>,
    pub(crate) tasks: Vec<Task>,
}

pub(crate) fn source<S: Source>() -> Launcher {
    Arc::new(|shared, name, properties| Box::pin(launch_source::<S>(shared, name, properties)))
}

pub(crate) fn sink<S: Sink>() -> Launcher {
    Arc::new(|shared, name, properties| Box::pin(launch_sink::<S>(shared, name, properties)))
}

/// What is known of a connector before it is made.
struct Prepared<C> {
    shared: Arc<Shared>,
    settings: Arc<ConnectorSettings>,
    properties: Arc<PropertyMap>,
    config: C,
    context: ConnectorContext,
}

async fn prepare<C: Config>(
    shared: Arc<Shared>,
    kind: ConnectorKind,
    name: String,
    properties: PropertyMap,
) -> Result<Prepared<C>> {
    let properties = with_defaults(&shared.defaults, properties);
    let (settings, mut own) = ConnectorSettings::read(&name, kind, &properties)?;
    // Each task has converters and transforms of its own; this only finds what is wrong with them.
    shared.conversion(&mut own)?;
    let config: C = crate::config::read(&own, COMMON_PROPERTIES)?;
    let problems = config.check().await;
    if !problems.is_empty() {
        let named = |(field, problem): &(String, String)| match problem.contains(&format!("`{field}`")) {
            true => problem.clone(),
            false => format!("property `{field}`: {problem}"),
        };
        let listed: Vec<String> = problems.iter().map(named).collect();
        return Err(Error::config(format!("connector `{name}`: {}", listed.join("; "))));
    }
    let replan = Arc::new(watch::Sender::new(0));
    let context = ConnectorContext::new(settings.name.clone(), shared.kafka.world().clone(), replan);
    let (settings, properties) = (Arc::new(settings), Arc::new(properties));
    Ok(Prepared { shared, settings, properties, config, context })
}

/// A connector that names its own converter wants none of the worker's settings for another one.
fn with_defaults(defaults: &PropertyMap, properties: PropertyMap) -> PropertyMap {
    let overridden = |name: &str| {
        ["key.converter", "value.converter", "header.converter"].iter().any(|converter| {
            properties.contains_key(*converter) && name.starts_with(&format!("{converter}."))
        })
    };
    let mut merged: PropertyMap = defaults.clone();
    merged.retain(|name, _| !overridden(name));
    merged.extend(properties);
    merged
}

impl Shared {
    /// The converters and transforms of one task; takes their properties out.
    pub(crate) fn conversion(&self, properties: &mut PropertyMap) -> Result<Conversion> {
        Conversion::read(properties, &self.transforms)
    }

    async fn offsets(&self) -> Result<Arc<OffsetsTopic>> {
        let open = || async { OffsetsTopic::open(&self.kafka, &self.settings).await.map(Arc::new) };
        self.offsets.get_or_try_init(open).await.cloned()
    }
}

impl<C> Prepared<C> {
    fn conversion(&self) -> Result<Conversion> {
        self.shared.conversion(&mut (*self.properties).clone())
    }

    async fn producer(&self) -> Result<Producer> {
        // A source waits for as long as it takes; only what Kafka refuses for good comes back.
        let builder = Producer::builder(&self.shared.kafka).set("delivery.timeout.ms", i32::MAX);
        Ok(builder.properties(&self.settings.producer).start().await?)
    }
}

impl Launched {
    fn new(name: &str, kind: ConnectorKind, tasks: usize) -> Self {
        let task = |task| TaskStatus { task, ..TaskStatus::default() };
        let tasks = (0..tasks).map(task).collect();
        let status = ConnectorStatus { name: name.to_owned(), kind, tasks };
        Self {
            status: Arc::new(watch::Sender::new(status)),
            control: Arc::new(watch::Sender::new(Control::default())),
            tasks: Vec::new(),
        }
    }

    /// Runs a task, and says how it ended.
    fn spawn(
        &mut self,
        kafka: &Kafka,
        name: &str,
        task: usize,
        run: impl Future<Output = Result<()>> + Send + 'static,
    ) {
        let (cell, name) = (StatusCell::new(Arc::clone(&self.status), task), name.to_owned());
        let supervised = async move {
            let error = caught(run).await.err().map(|error| error.of_task(&name, task));
            if let Some(error) = &error {
                tracing::error!(target: TARGET, connector = %name, task, %error, "the task has failed");
            }
            cell.ended(error);
        };
        self.tasks.push(kafka.world().spawn("connect-task", supervised));
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        if self.control.borrow().stop_by.is_none() {
            self.tasks.iter().for_each(Task::abort);
        }
    }
}

/// A panic of a connector is its own failure and nobody else's.
async fn caught(run: impl Future<Output = Result<()>>) -> Result<()> {
    let mut run = pin!(run);
    std::future::poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| poll(run.as_mut(), cx)));
        polled.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            Poll::Ready(Err(Error::new(ErrorKind::Panic, format!("the connector panicked: {text}"))))
        })
    })
    .await
}

fn poll<F: Future>(future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
    future.poll(cx)
}

async fn launch_source<S: Source>(
    shared: Arc<Shared>,
    name: String,
    properties: PropertyMap,
) -> Result<Launched> {
    let prepared = prepare::<S::Config>(shared, ConnectorKind::Source, name, properties).await?;
    let (settings, kafka) = (Arc::clone(&prepared.settings), prepared.shared.kafka.clone());
    let source = Arc::new(S::new(prepared.config.clone(), prepared.context.clone()).await?);
    let splits = source.plan(settings.tasks_max).await?;
    if splits.len() > settings.tasks_max && settings.tasks_max_enforce {
        let what = format!("connector `{}` planned {} tasks", settings.name, splits.len());
        let hint = format!("tasks.max is {}; tasks.max.enforce=false lets it", settings.tasks_max);
        return Err(Error::fatal(what).hinting(hint));
    }
    let offsets = prepared.shared.offsets().await?;
    offsets.read_to_end().await?;
    let stored = typed_offsets::<S>(&settings.name, &offsets)?;
    let mut launched = Launched::new(&settings.name, ConnectorKind::Source, splits.len());
    for (task, split) in splits.into_iter().enumerate() {
        let parts = source_parts(&prepared, &offsets, &launched, task).await?;
        let context = SourceContext::new(prepared.context.clone(), task, stored.clone());
        let source = Arc::clone(&source);
        launched.spawn(&kafka, &settings.name, task, async move {
            let task = source.open(split, context).await?;
            source_task::run::<S>(task, parts).await
        });
    }
    Ok(launched)
}

async fn source_parts<C>(
    prepared: &Prepared<C>,
    offsets: &Arc<OffsetsTopic>,
    launched: &Launched,
    task: usize,
) -> Result<SourceParts> {
    let (kafka, worker) = (&prepared.shared.kafka, &prepared.shared.settings);
    let outlet = Outlet {
        kafka: kafka.clone(),
        world: kafka.world().clone(),
        settings: Arc::clone(&prepared.settings),
        task,
        conversion: prepared.conversion()?,
        producer: prepared.producer().await?,
        letters: Letters::open(kafka, prepared.settings.dead_letters.as_ref()).await?,
        in_flight: InFlight::default(),
        progress: Progress::default(),
        rng: kafka.world().rng("connect.source"),
        topics: std::collections::BTreeSet::new(),
    };
    Ok(SourceParts {
        outlet,
        offsets: Arc::clone(offsets),
        control: ControlReceiver::new(launched.control.subscribe()),
        status: StatusCell::new(Arc::clone(&launched.status), task),
        flush_interval: worker.flush_interval,
        flush_timeout: worker.flush_timeout,
        crash_points: prepared.shared.crash_points.clone(),
    })
}

/// What is stored for a connector, in its own types. A partition that is not of its type is another version's and is left
/// alone; an offset that is not is an error, because going on without it would lose or repeat everything.
fn typed_offsets<S: Source>(name: &str, offsets: &OffsetsTopic) -> Result<BTreeMap<S::Partition, S::Offset>> {
    let mut typed = BTreeMap::new();
    for (partition, offset) in offsets.offsets(name) {
        match parse::<S::Partition>(&partition) {
            Ok(key) => {
                let value = parse::<S::Offset>(&offset).map_err(|error| {
                    let what =
                        format!("cannot read the offset {offset} that is stored for {partition} of `{name}`");
                    Error::fatal(what).because(error)
                })?;
                typed.insert(key, value);
            }
            Err(error) => {
                tracing::warn!(target: TARGET, connector = name, %partition, %error, "a stored partition is not this connector's");
            }
        }
    }
    Ok(typed)
}

fn parse<T: DeserializeOwned>(value: &Value) -> serde_json::Result<T> {
    T::deserialize(value)
}

async fn launch_sink<S: Sink>(
    shared: Arc<Shared>,
    name: String,
    properties: PropertyMap,
) -> Result<Launched> {
    let prepared = prepare::<S::Config>(shared, ConnectorKind::Sink, name, properties).await?;
    let (settings, kafka) = (Arc::clone(&prepared.settings), prepared.shared.kafka.clone());
    let sink = Arc::new(S::new(prepared.config.clone(), prepared.context.clone()).await?);
    let mut launched = Launched::new(&settings.name, ConnectorKind::Sink, settings.tasks_max);
    for task in 0..settings.tasks_max {
        let commands = SinkCommands::default();
        let parts = sink_parts(&prepared, &launched, task, commands.clone()).await?;
        let context = SinkContext::new(prepared.context.clone(), task, commands);
        let sink = Arc::clone(&sink);
        launched.spawn(&kafka, &settings.name, task, async move {
            let task = sink.open(context).await?;
            sink_task::run(task, parts).await
        });
    }
    Ok(launched)
}

async fn sink_parts<C>(
    prepared: &Prepared<C>,
    launched: &Launched,
    task: usize,
    commands: SinkCommands,
) -> Result<SinkParts> {
    let (kafka, worker, settings) = (&prepared.shared.kafka, &prepared.shared.settings, &prepared.settings);
    let consumer = Consumer::builder(kafka)
        .group(format!("connect-{}", settings.name))
        .auto_offset_reset("earliest")
        .properties(&settings.consumer)
        .auto_commit(false);
    let consumer = match &settings.topics {
        Some(topics) => topics.subscribe(consumer),
        None => consumer,
    };
    let consumer = consumer.start().await?;
    let producer = match settings.dead_letters {
        Some(_) => Some(prepared.producer().await?),
        None => None,
    };
    Ok(SinkParts {
        world: kafka.world().clone(),
        settings: Arc::clone(settings),
        task,
        conversion: prepared.conversion()?,
        consumer,
        letters: Letters::open(kafka, settings.dead_letters.as_ref()).await?,
        producer,
        commands,
        control: ControlReceiver::new(launched.control.subscribe()),
        status: StatusCell::new(Arc::clone(&launched.status), task),
        flush_interval: worker.flush_interval,
        flush_timeout: worker.flush_timeout,
        rng: kafka.world().rng("connect.sink"),
        crash_points: prepared.shared.crash_points.clone(),
    })
}
