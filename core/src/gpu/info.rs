//! What can be told of an adapter and of an open device.

/// What an adapter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdapterKind {
    /// Not told by the driver.
    Other,
    /// On the host's memory.
    Integrated,
    /// With memory of its own.
    Discrete,
    /// A virtual machine's.
    Virtual,
    /// A driver that computes on the CPU.
    Software,
}

/// What an adapter can do at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a buffer.
    pub buffer_bytes: u64,
    /// Bytes of a buffer that a shader sees at once.
    pub binding_bytes: u64,
    /// What the offset of such a part is a multiple of.
    pub binding_align: u64,
}

/// A card, or a driver that stands for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterInfo {
    /// Its name, as the driver tells it.
    pub name: String,
    /// What it is.
    pub kind: AdapterKind,
    /// The interface that it is used through: "vulkan".
    pub backend: &'static str,
    /// The driver's name.
    pub driver: String,
    /// The driver's version, as text.
    pub driver_info: String,
    /// The maker's number; of PCI where it has one.
    pub vendor: u32,
    /// The maker's number of the model.
    pub device: u32,
    /// The place on the bus, such as "0000:01:00.0"; empty where there is none.
    pub bus: String,
    /// Bytes of memory that is near to the card; 0 where the driver doesn't tell.
    pub memory_bytes: u64,
    /// Whether buffers can be mapped by the host where they lie.
    pub shared_memory: bool,
    /// What it can do at once.
    pub limits: Limits,
}

/// How an open device is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceStatus {
    /// Why it was lost; none while it is sound.
    pub lost: Option<String>,
}
