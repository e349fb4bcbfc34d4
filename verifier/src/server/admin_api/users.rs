//! Users, their devices and security keys.

use super::answer::Call;
use super::devices::{at_line, find};
use crate::admin_api::DeviceRef;
use crate::admin_api::{
    AdminProblem, AliasTarget, Because, CreatedKeyCode, DeviceIds, DeviceTarget, ImportResult, NewAlias,
    NewKeyCode, NewUser, Nothing, SecurityKeyTarget, SecurityKeyView, UserDeviceTarget, UserImport, UserPage,
    UserQuery, UserTarget, UserView,
};
use crate::store::user::{DeviceLink, ImportedUser, User};
use vitalsign_protocol::problem::Problem;

/// Users in a page.
const PAGE: u32 = 1000;

pub(super) async fn find_user(call: &Call, name: &str) -> Result<User, Problem> {
    let found = call.store.user(name).await?;
    found.ok_or_else(|| no_user(name))
}

pub(super) fn no_user(name: &str) -> Problem {
    AdminProblem::Unknown.because(format!("There is no user {name}; see `user list`."))
}

async fn view(call: &Call, user: User) -> Result<UserView, Problem> {
    let keys = call.store.security_keys(user.id).await?.len();
    let devices = call.store.user_devices(user.id).await?.len();
    Ok(UserView::of(user, keys, devices))
}

pub(super) async fn add(call: Call, _: Nothing, new: NewUser) -> Result<UserView, Problem> {
    let name = new.name.as_str();
    let Some(user) = call.store.add_user(name, call.now).await? else {
        return Err(AdminProblem::Conflict.because(format!(
            "There is a user {name} already, or one whose name differs in case or form only; see `user list`."
        )));
    };
    Ok(UserView::of(user, 0, 0))
}

pub(super) async fn list(call: Call, _: Nothing, query: UserQuery) -> Result<UserPage, Problem> {
    let found = call.store.users(PAGE, query.after.as_deref().unwrap_or_default()).await?;
    let full = found.len() == usize::try_from(PAGE).unwrap_or(usize::MAX);
    let users: Vec<_> =
        found.into_iter().map(|(user, keys, devices)| UserView::of(user, keys, devices)).collect();
    let next = users.last().filter(|_| full).map(|it| it.user.clone());
    Ok(UserPage { users, next })
}

pub(super) async fn show(call: Call, target: UserTarget, _: Nothing) -> Result<UserView, Problem> {
    let user = find_user(&call, &target.user).await?;
    view(&call, user).await
}

pub(super) async fn import(call: Call, _: Nothing, given: UserImport) -> Result<ImportResult, Problem> {
    let mut users = Vec::new();
    for it in given.users {
        let mut devices = Vec::new();
        for device in &it.devices {
            devices.push(find(&call.store, device).await.map_err(at_line(Some(it.line)))?.enrolment);
        }
        let aliases = it.aliases.iter().map(ToString::to_string).collect();
        users.push(ImportedUser { line: it.line, name: it.name.to_string(), aliases, devices });
    }
    match call.store.import_users(&users, given.dry_run, call.now).await? {
        Ok(added) => Ok(ImportResult { dry_run: given.dry_run, added }),
        Err(refused) => Err(AdminProblem::Conflict.because(format!("{refused}. Nothing was imported."))),
    }
}

pub(super) async fn disable(call: Call, target: UserTarget, _: Nothing) -> Result<UserView, Problem> {
    set_enabled(call, &target.user, false).await
}

pub(super) async fn enable(call: Call, target: UserTarget, _: Nothing) -> Result<UserView, Problem> {
    set_enabled(call, &target.user, true).await
}

async fn set_enabled(call: Call, name: &str, enabled: bool) -> Result<UserView, Problem> {
    let name = find_user(&call, name).await?.name;
    if !call.store.enable_user(&name, enabled, call.now).await? {
        let state = if enabled { "enabled" } else { "disabled" };
        return Err(AdminProblem::Conflict.because(format!("User {name} was {state} before.")));
    }
    let user = find_user(&call, &name).await?;
    view(&call, user).await
}

pub(super) async fn list_aliases(call: Call, target: UserTarget, _: Nothing) -> Result<Vec<String>, Problem> {
    let user = find_user(&call, &target.user).await?;
    Ok(call.store.aliases(&user).await?)
}

pub(super) async fn add_alias(call: Call, target: UserTarget, new: NewAlias) -> Result<Vec<String>, Problem> {
    let (user, alias) = (find_user(&call, &target.user).await?, new.alias.as_str());
    if !call.store.add_alias(&user, alias, call.now).await? {
        return Err(
            AdminProblem::Conflict.because(format!("{alias} stands for a user already; see `user list`."))
        );
    }
    Ok(call.store.aliases(&user).await?)
}

pub(super) async fn remove_alias(
    call: Call,
    target: AliasTarget,
    _: Nothing,
) -> Result<Vec<String>, Problem> {
    let (user, alias) = (find_user(&call, &target.user).await?, &target.alias);
    if !call.store.remove_alias(&user, alias, call.now).await? {
        return Err(AdminProblem::Unknown.because(format!("{} has no alias {alias}.", user.name)));
    }
    Ok(call.store.aliases(&user).await?)
}

pub(super) async fn list_devices(call: Call, target: UserTarget, _: Nothing) -> Result<DeviceIds, Problem> {
    let user = find_user(&call, &target.user).await?;
    Ok(DeviceIds(call.store.user_devices(user.id).await?))
}

pub(super) async fn add_device(
    call: Call,
    target: UserTarget,
    added: DeviceTarget,
) -> Result<DeviceIds, Problem> {
    link(call, &target.user, &added.device, true).await
}

pub(super) async fn remove_device(
    call: Call,
    target: UserDeviceTarget,
    _: Nothing,
) -> Result<DeviceIds, Problem> {
    link(call, &target.user, &target.device, false).await
}

async fn link(call: Call, name: &str, device: &DeviceRef, linked: bool) -> Result<DeviceIds, Problem> {
    let user = find_user(&call, name).await?;
    let device = find(&call.store, device).await?.enrolment;
    let refused = match call.store.join_device(&user, device, linked, call.now).await? {
        DeviceLink::Done => return Ok(DeviceIds(call.store.user_devices(user.id).await?)),
        DeviceLink::AlreadySo if linked => format!("{name} is asked at {device} already."),
        DeviceLink::AlreadySo => format!("{name} was not asked at {device}."),
        DeviceLink::NoDevice => format!("Device {device} was revoked."),
    };
    Err(AdminProblem::Conflict.because(refused))
}

pub(super) async fn create_key_code(
    call: Call,
    target: UserTarget,
    new: NewKeyCode,
) -> Result<CreatedKeyCode, Problem> {
    let user = find_user(&call, &target.user).await?;
    if user.disabled_at.is_some() {
        return Err(AdminProblem::Conflict.because(format!("User {} is disabled.", user.name)));
    }
    if new.lifetime == 0 {
        return Err(AdminProblem::Invalid.because("A code has a lifetime."));
    }
    let expires = call.now.saturating_add(new.lifetime);
    let (record, code) = call.store.create_key_code(&user, expires, call.now).await?;
    Ok(CreatedKeyCode { code: code.into(), record })
}

pub(super) async fn list_security_keys(
    call: Call,
    target: UserTarget,
    _: Nothing,
) -> Result<Vec<SecurityKeyView>, Problem> {
    let user = find_user(&call, &target.user).await?;
    Ok(call.store.all_security_keys(user.id).await?.into_iter().map(SecurityKeyView::from).collect())
}

pub(super) async fn revoke_security_key(
    call: Call,
    target: SecurityKeyTarget,
    because: Because,
) -> Result<SecurityKeyView, Problem> {
    let key = target.key;
    let revoked = call.store.revoke_security_key(key, because.reason.as_str(), call.now).await?;
    revoked.map(SecurityKeyView::from).ok_or_else(|| {
        AdminProblem::Unknown.because(format!("There is no key {key} that is valid; see `user keys`."))
    })
}
