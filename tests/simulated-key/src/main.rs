//! A security key in software, as a program. **It protects nothing.**

#[cfg(target_os = "linux")]
mod device;

#[cfg(target_os = "linux")]
fn main() -> anyhow::Result<()> {
    device::run()
}

#[cfg(not(target_os = "linux"))]
fn main() {}
