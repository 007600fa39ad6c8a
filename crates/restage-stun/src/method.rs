//! Methods of messages: the type without the two bits of the class (RFC 8489 §5).

/// Binding (RFC 8489 §18.2).
pub const BINDING: u16 = 0x001;
/// Allocate (RFC 8656 §17), like all that follow.
pub const ALLOCATE: u16 = 0x003;
/// Refresh.
pub const REFRESH: u16 = 0x004;
/// Send, only as an indication.
pub const SEND: u16 = 0x006;
/// Data, only as an indication.
pub const DATA: u16 = 0x007;
/// CreatePermission.
pub const CREATE_PERMISSION: u16 = 0x008;
/// ChannelBind.
pub const CHANNEL_BIND: u16 = 0x009;
