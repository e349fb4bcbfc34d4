//! `vitalsign-app`: what a person sees of Vitalsign.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

fn main() -> std::process::ExitCode {
    vitalsign_app::run()
}
