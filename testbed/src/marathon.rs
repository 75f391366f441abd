//! Marathon: `GET /v2/queue`, `/v2/apps`, and `/v2/pods` of a cluster, which tests change.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use cluster::Cluster;

use super::faults::FaultPlan;
use super::http::{self, Endpoint};
use super::master::{SharedCluster, unauthorized};
use super::service::{self, Service, lock};

/// The endpoint.
pub type Marathon = Endpoint<Leader>;

/// A Marathon and the cluster that it runs applications on.
#[derive(Debug)]
pub struct Leader {
    cluster: SharedCluster,
    faults: FaultPlan,
}

impl Marathon {
    /// Opens the endpoint of the Marathon of that cluster.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn start(cluster: SharedCluster, faults: &FaultPlan) -> io::Result<Self> {
        let leader = Arc::new(Leader { cluster, faults: faults.clone() });
        let list = |list: fn(&Cluster) -> Vec<u8>| {
            get(
                move |State(leader): State<Arc<Leader>>, headers: HeaderMap| async move { leader.answer(&headers, list) },
            )
        };
        let routes = Router::new()
            .route("/v2/queue", list(Cluster::to_queue_json))
            .route("/v2/apps", list(Cluster::to_apps_json))
            .route("/v2/pods", list(Cluster::to_pods_json))
            .with_state(Arc::clone(&leader));
        Self::open(Service::Marathon, |_, error| http::refusal(error), leader, routes, faults).await
    }

    /// Looks at the cluster, or changes it.
    pub fn cluster<T>(&self, act: impl FnOnce(&mut Cluster) -> T) -> T {
        act(&mut lock(&self.service.cluster))
    }
}

impl Leader {
    fn answer(&self, headers: &HeaderMap, list: fn(&Cluster) -> Vec<u8>) -> Response {
        let credentials = self.faults.change(|faults| faults.marathon_credentials.clone());
        let answer = || service::answer(StatusCode::OK, "application/json", list(&lock(&self.cluster)));
        credentials.and_then(|credentials| unauthorized(&credentials, headers)).unwrap_or_else(answer)
    }
}
