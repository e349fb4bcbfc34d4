//! Fake tray of a desktop: a StatusNotifierWatcher on the session bus that sees the icon and opens its menu.

use crate::{DesktopServices, LIMIT};
use anyhow::{Context, Result};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use vitalsign_e2e::wait_for;
use zbus::blocking::{Connection, Proxy, connection};
use zbus::message::Header;
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};

const NAME: &str = "org.kde.StatusNotifierWatcher";

#[derive(Debug)]
pub struct TrayHost {
    bus: Connection,
    items: Items,
}

/// The icons: whose, and where on their bus.
type Items = Arc<Mutex<Vec<(String, String)>>>;

struct Watcher(Items);

#[zbus::interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    fn register_status_notifier_item(&self, service: &str, #[zbus(header)] header: Header<'_>) {
        if let Some(sender) = header.sender() {
            let mut items = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            items.push((sender.to_string(), service.to_owned()));
        }
    }

    fn register_status_notifier_host(&self, _service: &str) {}

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        let items = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        items.iter().map(|(sender, path)| format!("{sender}{path}")).collect()
    }
}

impl TrayHost {
    /// A tray at this desk.
    ///
    /// # Errors
    /// When the bus cannot be reached.
    pub fn at(desk: &DesktopServices) -> Result<Self> {
        let items = Items::default();
        let bus = connection::Builder::address(desk.bus().as_str())?
            .serve_at("/StatusNotifierWatcher", Watcher(Arc::clone(&items)))?
            .name(NAME)?
            .build()?;
        Ok(Self { bus, items })
    }

    /// The one icon that is there.
    ///
    /// # Errors
    /// When none comes.
    pub fn icon(&self) -> Result<TrayIcon<'_>> {
        let (owner, path) = wait_for("an icon in the tray", LIMIT, || {
            let items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(items.first().cloned())
        })?;
        // Its properties change without the signals that a cache would need.
        let uncached = zbus::proxy::CacheProperties::No;
        let item = zbus::blocking::proxy::Builder::<Proxy<'_>>::new(&self.bus)
            .destination(owner.clone())?
            .path(path)?
            .interface("org.kde.StatusNotifierItem")?
            .cache_properties(uncached)
            .build()?;
        let menu: OwnedObjectPath = item.get_property("Menu")?;
        let menu = Proxy::new(&self.bus, owner, menu, "com.canonical.dbusmenu")?;
        Ok(TrayIcon { item, menu })
    }

    /// Returns the number of icons.
    #[must_use]
    pub fn icons(&self) -> usize {
        self.items.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

#[derive(Debug)]
pub struct TrayIcon<'a> {
    item: Proxy<'a>,
    menu: Proxy<'a>,
}

/// Menu item as in `GetLayout`: number, properties, children.
type Layout = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);

impl TrayIcon<'_> {
    /// Returns a text property: `Id`, `Title`, `Status` or `IconName`.
    ///
    /// # Errors
    /// The property is missing.
    pub fn text(&self, property: &str) -> Result<String> {
        self.item.get_property(property).with_context(|| property.to_owned())
    }

    /// Returns the content of the icon's file.
    ///
    /// # Errors
    /// There is no icon.
    pub fn picture(&self) -> Result<Vec<u8>> {
        let name = PathBuf::from(self.text("IconName")?);
        let folder = PathBuf::from(self.text("IconThemePath")?);
        let named = folder.join(&name);
        let file = [named.with_extension("png"), named].into_iter().find(|file| file.is_file());
        let file =
            file.with_context(|| format!("no file of the icon {} in {}", name.display(), folder.display()))?;
        Ok(std::fs::read(file)?)
    }

    /// The entries of its menu: their numbers and labels.
    ///
    /// # Errors
    /// When it has none.
    pub fn menu(&self) -> Result<Vec<(i32, String)>> {
        let properties: Vec<&str> = Vec::new();
        let (_, (_, _, entries)): (u32, Layout) = self.menu.call("GetLayout", &(0, -1, properties))?;
        let mut menu = Vec::new();
        for entry in entries {
            let (number, properties, _): Layout = entry.try_into()?;
            if let Some(label) = properties.get("label") {
                menu.push((number, label.downcast_ref::<&str>()?.replace('_', "")));
            }
        }
        Ok(menu)
    }

    /// Clicks the item with this label.
    ///
    /// # Errors
    /// There is no such item.
    pub fn click(&self, label: &str) -> Result<()> {
        let menu = self.menu()?;
        let (number, _) =
            menu.iter().find(|(_, it)| it == label).with_context(|| format!("no {label} in {menu:?}"))?;
        Ok(self.menu.call("Event", &(number, "clicked", Value::I32(0), 0_u32))?)
    }
}
