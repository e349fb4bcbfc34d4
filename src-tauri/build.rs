//! Names the commands of the app, so that each has a permission and none is granted that no capability lists.

fn main() {
    // The pages are part of the program.
    println!("cargo::rerun-if-changed=../ui/dist");
    let commands = &["texts", "view", "act", "enter_pin", "logo", "diagnostics", "send_diagnostics"];
    let manifest = tauri_build::AppManifest::new().commands(commands);
    if let Err(error) = tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest)) {
        println!("cargo::error={error:#}");
    }
}
