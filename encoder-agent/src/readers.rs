//! Which USB smart-card readers are plugged in: every device with an interface of the CCID class (USB-IF, class 0x0B).
//!
//! Reads descriptors only; it opens no device, so it needs no rights and disturbs nothing.

use anyhow::Context as _;
use rusb::{Device, UsbContext};

/// The USB interface class of chip-card readers.
const CCID: u8 = 0x0B;

/// Prints one line per reader, or says that there is none and what to do.
pub(crate) fn print() -> anyhow::Result<()> {
    let context = rusb::Context::new().context("this PC's USB can't be used; on Linux, is /dev/bus/usb there?")?;
    let devices = context.devices().context("the USB devices can't be listed")?;
    let readers: Vec<_> = devices.iter().filter(is_reader).collect();
    for device in &readers {
        let ids = device.device_descriptor()?;
        let (bus, address) = (device.bus_number(), device.address());
        println!("{:04x}:{:04x} on bus {bus:03} device {address:03}", ids.vendor_id(), ids.product_id());
    }
    if readers.is_empty() {
        println!("No card reader found. Plug one in; any reader of the USB class CCID will do.");
    }
    Ok(())
}

fn is_reader<T: UsbContext>(device: &Device<T>) -> bool {
    let Ok(descriptor) = device.device_descriptor() else { return false };
    let mut configurations = (0..descriptor.num_configurations()).filter_map(|n| device.config_descriptor(n).ok());
    configurations.any(|c| c.interfaces().any(|i| i.descriptors().any(|d| d.class_code() == CCID)))
}
