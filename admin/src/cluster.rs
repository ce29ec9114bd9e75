//! The cluster: its brokers and its controller (KIP-700).
use courant_client::retry::RetryPolicy;
use courant_client::{Error as ClientError, ErrorKind, Target};
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::{
    DescribeClusterRequest, DescribeClusterResponse, MetadataRequest, MetadataResponse,
};
use courant_protocol::types::NodeId;

use crate::admin::Admin;
use crate::call::single_within;
use crate::error::Error;

/// The cluster as a broker sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterDescription {
    /// The cluster's id.
    pub cluster_id: Option<String>,
    /// The broker that takes administrative requests.
    pub controller: Option<NodeId>,
    /// The brokers, by id.
    pub brokers: Vec<BrokerDescription>,
}

/// A broker of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerDescription {
    /// Its id.
    pub id: NodeId,
    /// Where clients reach it.
    pub host: String,
    /// The port there.
    pub port: i32,
    /// Its rack.
    pub rack: Option<String>,
}

impl Admin {
    /// Describes the cluster: its id, its brokers, its controller.
    ///
    /// # Errors
    /// Whatever kept the call from being answered in time.
    ///
    /// # Cancel safety
    /// Nothing is changed either way.
    pub async fn describe_cluster(&self) -> Result<ClusterDescription, Error> {
        self.describe_cluster_within(self.policy()).await
    }

    /// As [`Self::describe_cluster`], as one part of a call that ends with `policy`.
    pub(crate) async fn describe_cluster_within(
        &self,
        policy: RetryPolicy,
    ) -> Result<ClusterDescription, Error> {
        let request = |_| DescribeClusterRequest { endpoint_type: BROKERS, ..Default::default() };
        match single_within(self, policy, Target::Any, request, check).await {
            Ok((response, _)) => Ok(described(response)),
            // Brokers before 2.8 say the same in their metadata.
            Err(error) if error.kind() == ErrorKind::UnsupportedVersion => {
                let nothing = |_| MetadataRequest { topics: Some(Vec::new()), ..Default::default() };
                let (response, _) = single_within(self, policy, Target::Any, nothing, |_| Ok(())).await?;
                Ok(from_metadata(response))
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn check(response: &DescribeClusterResponse) -> Result<(), ClientError> {
    match response.error_code {
        0 => Ok(()),
        code => {
            Err(Error::refused(ErrorCode(code), "describe the cluster", response.error_message.as_deref()))
        }
    }
}

fn described(response: DescribeClusterResponse) -> ClusterDescription {
    let brokers = response.brokers.iter().map(|broker| BrokerDescription {
        id: NodeId(broker.broker_id),
        host: broker.host.to_string(),
        port: broker.port,
        rack: broker.rack.as_deref().map(str::to_owned),
    });
    let cluster_id = Some(response.cluster_id.to_string());
    sorted(cluster_id, response.controller_id, brokers.collect())
}

fn from_metadata(response: MetadataResponse) -> ClusterDescription {
    let brokers = response.brokers.iter().map(|broker| BrokerDescription {
        id: NodeId(broker.node_id),
        host: broker.host.to_string(),
        port: broker.port,
        rack: broker.rack.as_deref().map(str::to_owned),
    });
    let cluster_id = response.cluster_id.as_deref().map(str::to_owned);
    sorted(cluster_id, response.controller_id, brokers.collect())
}

fn sorted(
    cluster_id: Option<String>,
    controller: i32,
    mut brokers: Vec<BrokerDescription>,
) -> ClusterDescription {
    brokers.sort_by_key(|broker| broker.id);
    let controller = Some(NodeId(controller)).filter(|node| node.is_some());
    ClusterDescription { cluster_id, controller, brokers }
}

/// The kind of endpoint that a broker has; 2 would be a controller (KIP-919).
const BROKERS: i8 = 1;
