//! `v1`: Pod, with the fields that a solver pod and a kubelet need.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::meta::{ConditionStatus, LocalObjectReference, ObjectMeta};
use super::scalar::{IntOrString, Quantity, RawJson, Time};
use super::serial::omit;

/// Containers that run together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Pod {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// What runs.
    pub spec: PodSpec,
    /// How it runs.
    #[serde(skip_serializing_if = "omit")]
    pub status: PodStatus,
}

/// What a [`Pod`] runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PodSpec {
    /// Volumes.
    #[serde(skip_serializing_if = "omit")]
    pub volumes: Vec<RawJson>,
    /// Containers that run first.
    #[serde(skip_serializing_if = "omit")]
    pub init_containers: Vec<Container>,
    /// Containers.
    pub containers: Vec<Container>,
    /// When a container is started again; absent: always.
    #[serde(skip_serializing_if = "omit")]
    pub restart_policy: Option<RestartPolicy>,
    /// Time between the signals.
    #[serde(skip_serializing_if = "omit")]
    pub termination_grace_period_seconds: Option<i64>,
    /// Longest run.
    #[serde(skip_serializing_if = "omit")]
    pub active_deadline_seconds: Option<i64>,
    /// How names are resolved.
    #[serde(skip_serializing_if = "omit")]
    pub dns_policy: String,
    /// Node labels.
    #[serde(skip_serializing_if = "omit")]
    pub node_selector: BTreeMap<String, String>,
    /// Service account.
    #[serde(skip_serializing_if = "omit")]
    pub service_account_name: String,
    /// Whether its token is mounted.
    #[serde(skip_serializing_if = "omit")]
    pub automount_service_account_token: Option<bool>,
    /// The node it was scheduled to.
    #[serde(skip_serializing_if = "omit")]
    pub node_name: String,
    /// Whether it uses the node's network.
    #[serde(skip_serializing_if = "omit")]
    pub host_network: bool,
    /// Security settings of the pod.
    #[serde(skip_serializing_if = "omit")]
    pub security_context: Option<PodSecurityContext>,
    /// Registry credentials.
    #[serde(skip_serializing_if = "omit")]
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// Host name.
    #[serde(skip_serializing_if = "omit")]
    pub hostname: String,
    /// Subdomain.
    #[serde(skip_serializing_if = "omit")]
    pub subdomain: String,
    /// Affinity rules.
    #[serde(skip_serializing_if = "omit")]
    pub affinity: Option<RawJson>,
    /// Scheduler.
    #[serde(skip_serializing_if = "omit")]
    pub scheduler_name: String,
    /// Tolerated taints.
    #[serde(skip_serializing_if = "omit")]
    pub tolerations: Vec<Toleration>,
    /// Priority class.
    #[serde(skip_serializing_if = "omit")]
    pub priority_class_name: String,
    /// Priority.
    #[serde(skip_serializing_if = "omit")]
    pub priority: Option<i32>,
    /// DNS settings.
    #[serde(skip_serializing_if = "omit")]
    pub dns_config: Option<RawJson>,
    /// Further conditions of readiness.
    #[serde(skip_serializing_if = "omit")]
    pub readiness_gates: Vec<RawJson>,
    /// Whether Services are in the environment.
    #[serde(skip_serializing_if = "omit")]
    pub enable_service_links: Option<bool>,
}

/// One container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Container {
    /// Name.
    pub name: String,
    /// Image.
    #[serde(skip_serializing_if = "omit")]
    pub image: String,
    /// Entry point.
    #[serde(skip_serializing_if = "omit")]
    pub command: Vec<String>,
    /// Arguments.
    #[serde(skip_serializing_if = "omit")]
    pub args: Vec<String>,
    /// Working directory.
    #[serde(skip_serializing_if = "omit")]
    pub working_dir: String,
    /// Ports.
    #[serde(skip_serializing_if = "omit")]
    pub ports: Vec<ContainerPort>,
    /// Environment.
    #[serde(skip_serializing_if = "omit")]
    pub env: Vec<EnvVar>,
    /// Resources.
    #[serde(skip_serializing_if = "omit")]
    pub resources: ResourceRequirements,
    /// Mounts.
    #[serde(skip_serializing_if = "omit")]
    pub volume_mounts: Vec<RawJson>,
    /// Is it alive?
    #[serde(skip_serializing_if = "omit")]
    pub liveness_probe: Option<Probe>,
    /// Can it take requests?
    #[serde(skip_serializing_if = "omit")]
    pub readiness_probe: Option<Probe>,
    /// Has it started?
    #[serde(skip_serializing_if = "omit")]
    pub startup_probe: Option<Probe>,
    /// When the image is pulled.
    #[serde(skip_serializing_if = "omit")]
    pub image_pull_policy: String,
    /// Security settings.
    #[serde(skip_serializing_if = "omit")]
    pub security_context: Option<SecurityContext>,
}

/// One port of a container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ContainerPort {
    /// Name.
    #[serde(skip_serializing_if = "omit")]
    pub name: String,
    /// The node's port.
    #[serde(skip_serializing_if = "omit")]
    pub host_port: i32,
    /// The container's port.
    pub container_port: i32,
    /// `TCP`, `UDP`; empty: TCP.
    #[serde(skip_serializing_if = "omit")]
    pub protocol: String,
}

/// One environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EnvVar {
    /// Name.
    pub name: String,
    /// Value.
    #[serde(skip_serializing_if = "omit")]
    pub value: String,
    /// Where its value comes from.
    #[serde(skip_serializing_if = "omit")]
    pub value_from: Option<RawJson>,
}

/// Resources asked for and allowed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ResourceRequirements {
    /// Upper limits.
    #[serde(skip_serializing_if = "omit")]
    pub limits: BTreeMap<String, Quantity>,
    /// What is reserved.
    #[serde(skip_serializing_if = "omit")]
    pub requests: BTreeMap<String, Quantity>,
}

/// A health check.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Probe {
    /// By a command.
    #[serde(skip_serializing_if = "omit")]
    pub exec: Option<RawJson>,
    /// By an HTTP request.
    #[serde(skip_serializing_if = "omit")]
    pub http_get: Option<HttpGetAction>,
    /// By a connection.
    #[serde(skip_serializing_if = "omit")]
    pub tcp_socket: Option<TcpSocketAction>,
    /// Wait before the first.
    #[serde(skip_serializing_if = "omit")]
    pub initial_delay_seconds: i32,
    /// Longest wait; zero: 1.
    #[serde(skip_serializing_if = "omit")]
    pub timeout_seconds: i32,
    /// Interval; zero: 10.
    #[serde(skip_serializing_if = "omit")]
    pub period_seconds: i32,
    /// Successes in a row; zero: 1.
    #[serde(skip_serializing_if = "omit")]
    pub success_threshold: i32,
    /// Failures in a row; zero: 3.
    #[serde(skip_serializing_if = "omit")]
    pub failure_threshold: i32,
}

/// An HTTP health check.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpGetAction {
    /// Path.
    #[serde(skip_serializing_if = "omit")]
    pub path: String,
    /// Port by number or name.
    pub port: Option<IntOrString>,
    /// Host; empty: the pod's IP.
    #[serde(skip_serializing_if = "omit")]
    pub host: String,
    /// `HTTP` or `HTTPS`.
    #[serde(skip_serializing_if = "omit")]
    pub scheme: String,
}

/// A connection as health check.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TcpSocketAction {
    /// Port by number or name.
    pub port: Option<IntOrString>,
    /// Host; empty: the pod's IP.
    #[serde(skip_serializing_if = "omit")]
    pub host: String,
}

/// Security settings of a container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SecurityContext {
    /// Linux capabilities.
    #[serde(skip_serializing_if = "omit")]
    pub capabilities: Option<Capabilities>,
    /// Run privileged.
    #[serde(skip_serializing_if = "omit")]
    pub privileged: Option<bool>,
    /// User.
    #[serde(skip_serializing_if = "omit")]
    pub run_as_user: Option<i64>,
    /// Group.
    #[serde(skip_serializing_if = "omit")]
    pub run_as_group: Option<i64>,
    /// Never as root.
    #[serde(skip_serializing_if = "omit")]
    pub run_as_non_root: Option<bool>,
    /// Root file system is read only.
    #[serde(skip_serializing_if = "omit")]
    pub read_only_root_filesystem: Option<bool>,
    /// May gain privileges.
    #[serde(skip_serializing_if = "omit")]
    pub allow_privilege_escalation: Option<bool>,
    /// Seccomp profile.
    #[serde(skip_serializing_if = "omit")]
    pub seccomp_profile: Option<SeccompProfile>,
}

/// Linux capabilities.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Capabilities {
    /// Added.
    #[serde(skip_serializing_if = "omit")]
    pub add: Vec<String>,
    /// Dropped.
    #[serde(skip_serializing_if = "omit")]
    pub drop: Vec<String>,
}

/// Security settings of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PodSecurityContext {
    /// SELinux.
    #[serde(skip_serializing_if = "omit")]
    pub se_linux_options: Option<RawJson>,
    /// User.
    #[serde(skip_serializing_if = "omit")]
    pub run_as_user: Option<i64>,
    /// Group.
    #[serde(skip_serializing_if = "omit")]
    pub run_as_group: Option<i64>,
    /// Never as root.
    #[serde(skip_serializing_if = "omit")]
    pub run_as_non_root: Option<bool>,
    /// Further groups.
    #[serde(skip_serializing_if = "omit")]
    pub supplemental_groups: Vec<i64>,
    /// Group of volumes.
    #[serde(skip_serializing_if = "omit")]
    pub fs_group: Option<i64>,
    /// Kernel settings.
    #[serde(skip_serializing_if = "omit")]
    pub sysctls: Vec<RawJson>,
    /// When the group of volumes changes.
    #[serde(skip_serializing_if = "omit")]
    pub fs_group_change_policy: Option<String>,
    /// Seccomp profile.
    #[serde(skip_serializing_if = "omit")]
    pub seccomp_profile: Option<SeccompProfile>,
}

/// Seccomp profile.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SeccompProfile {
    /// `RuntimeDefault`, `Localhost`, `Unconfined`.
    pub type_: String,
    /// File of a local profile.
    #[serde(skip_serializing_if = "omit")]
    pub localhost_profile: Option<String>,
}

/// A taint that is tolerated.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Toleration {
    /// Key.
    #[serde(skip_serializing_if = "omit")]
    pub key: String,
    /// `Equal` or `Exists`.
    #[serde(skip_serializing_if = "omit")]
    pub operator: String,
    /// Value.
    #[serde(skip_serializing_if = "omit")]
    pub value: String,
    /// Effect; empty: all.
    #[serde(skip_serializing_if = "omit")]
    pub effect: String,
    /// For how long.
    #[serde(skip_serializing_if = "omit")]
    pub toleration_seconds: Option<i64>,
}

/// How a [`Pod`] runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PodStatus {
    /// Phase.
    #[serde(skip_serializing_if = "omit")]
    pub phase: Option<PodPhase>,
    /// `PodScheduled`, `Initialized`, `ContainersReady`, `Ready`.
    #[serde(skip_serializing_if = "omit")]
    pub conditions: Vec<PodCondition>,
    /// One sentence.
    #[serde(skip_serializing_if = "omit")]
    pub message: String,
    /// One word.
    #[serde(skip_serializing_if = "omit")]
    pub reason: String,
    /// The node's IP.
    #[serde(rename = "hostIP", skip_serializing_if = "omit")]
    pub host_ip: String,
    /// The pod's IP.
    #[serde(rename = "podIP", skip_serializing_if = "omit")]
    pub pod_ip: String,
    /// The pod's IPs by family.
    #[serde(rename = "podIPs", skip_serializing_if = "omit")]
    pub pod_ips: Vec<PodIp>,
    /// When the kubelet took it.
    #[serde(skip_serializing_if = "omit")]
    pub start_time: Option<Time>,
    /// Containers.
    #[serde(skip_serializing_if = "omit")]
    pub container_statuses: Vec<ContainerStatus>,
    /// Quality of service.
    #[serde(skip_serializing_if = "omit")]
    pub qos_class: String,
}

/// One IP of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PodIp {
    /// IP address.
    #[serde(skip_serializing_if = "omit")]
    pub ip: String,
}

/// A condition of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PodCondition {
    /// Which.
    pub type_: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// When it was last looked at.
    #[serde(skip_serializing_if = "omit")]
    pub last_probe_time: Option<Time>,
    /// When it changed.
    #[serde(skip_serializing_if = "omit")]
    pub last_transition_time: Option<Time>,
    /// One word.
    #[serde(skip_serializing_if = "omit")]
    pub reason: String,
    /// One sentence.
    #[serde(skip_serializing_if = "omit")]
    pub message: String,
}

/// How a container runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ContainerStatus {
    /// Name.
    pub name: String,
    /// Running, waiting or terminated.
    #[serde(skip_serializing_if = "omit")]
    pub state: Option<RawJson>,
    /// The state before.
    #[serde(skip_serializing_if = "omit")]
    pub last_state: Option<RawJson>,
    /// Whether it takes requests.
    pub ready: bool,
    /// How often it was started again.
    pub restart_count: i32,
    /// Image.
    pub image: String,
    /// Image id.
    #[serde(rename = "imageID")]
    pub image_id: String,
    /// Container id.
    #[serde(rename = "containerID", skip_serializing_if = "omit")]
    pub container_id: String,
    /// Whether it has started.
    #[serde(skip_serializing_if = "omit")]
    pub started: Option<bool>,
}
string_enum! {
    /// When a container is started again.
    pub enum RestartPolicy {
        /// Always.
        Always = "Always",
        /// After a failure.
        OnFailure = "OnFailure",
        /// Never.
        Never = "Never",
    }
}

string_enum! {
    /// The phase of a pod.
    pub enum PodPhase {
        /// Not all containers run.
        Pending = "Pending",
        /// Runs.
        Running = "Running",
        /// All containers ended well.
        Succeeded = "Succeeded",
        /// A container failed.
        Failed = "Failed",
        /// Its node does not answer.
        Unknown = "Unknown",
    }
}
