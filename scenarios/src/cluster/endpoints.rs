//! The endpoints controller: the ready pods behind each service.

use engine::api::{
    ConditionStatus, EndpointAddress, EndpointPort, EndpointSubset, Endpoints, IntOrString, Kind, Object,
    ObjectMeta, Pod, Resource as _, Service,
};
use engine::store::Store;
use world::World;

use crate::script::{Durations, InTurn};

pub(super) fn start(world: &World, store: &Store, delay: &Durations) {
    let (store, delay) = (store.clone(), InTurn::new(delay.clone()));
    let mut changed = super::changes(world, &store, &[Kind::Service, Kind::Pod], "endpoints");
    let inside = world.clone();
    world.spawn("endpoints controller", async move {
        while changed.recv().await.is_some() {
            inside.sleep(delay.next()).await;
            reconcile(&store);
        }
    });
}

fn reconcile(store: &Store) {
    let pods = store.list(Kind::Pod);
    let services = store.list(Kind::Service);
    for service in services.iter().filter_map(|o| o.get::<Service>()).filter(|s| !s.spec.selector.is_empty())
    {
        let wanted = endpoints(service, &pods);
        let key = wanted.key();
        // Another change comes with another event; a lost race is made good then.
        let _ = match store.get(Kind::Endpoints, &key) {
            None => store.create(Object::from(wanted)).map(drop),
            Some(Object::Endpoints(old)) if old.subsets != wanted.subsets => {
                let mut new = old.as_ref().clone();
                new.subsets = wanted.subsets;
                store.update(Object::from(new)).map(drop)
            }
            Some(_) => Ok(()),
        };
    }
    for old in store.list(Kind::Endpoints) {
        if store.get(Kind::Service, &old.key()).is_none() {
            let _ = store.delete(Kind::Endpoints, &old.key());
        }
    }
}

/// The Endpoints of a service: the addresses of the pods that it selects and that are ready.
fn endpoints(service: &Service, pods: &[Object]) -> Endpoints {
    let selected = |pod: &&std::sync::Arc<Pod>| {
        pod.metadata.namespace == service.metadata.namespace
            && service.spec.selector.iter().all(|(k, v)| pod.metadata.labels.get(k) == Some(v))
    };
    let is_ready = |pod: &Pod| {
        pod.status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == ConditionStatus::True)
    };
    let ready = pods.iter().filter_map(|o| o.get::<Pod>()).filter(selected).filter(|p| is_ready(p));
    let addresses: Vec<_> = ready
        .map(|p| EndpointAddress { ip: p.status.pod_ip.clone(), ..EndpointAddress::default() })
        .collect();
    let ports = service.spec.ports.iter().map(|port| EndpointPort {
        name: port.name.clone(),
        port: match &port.target_port {
            Some(IntOrString::Int(number)) => *number,
            _ => port.port,
        },
        protocol: "TCP".to_owned(),
    });
    let mut endpoints = Endpoints { metadata: ObjectMeta::named(&service.key()), ..Endpoints::default() };
    if !addresses.is_empty() {
        endpoints.subsets.push(EndpointSubset {
            addresses,
            ports: ports.collect(),
            ..EndpointSubset::default()
        });
    }
    endpoints
}
