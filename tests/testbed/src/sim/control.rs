//! The control endpoint, for shells.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::owner_id;
use super::entities::VmSpec;
use super::events::Event;
use super::fault::{Body, Fault};
use super::server::Site;
use super::world::World;

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Request {
    silent: bool,
    id: Option<String>,
    name: Option<String>,
    parent: Option<String>,
    networkdomain: Option<String>,
    domain: Option<String>,
    owner: Option<String>,
    group: Option<String>,
    v4: Option<String>,
    v6: Option<String>,
    network: Option<String>,
    state: Option<String>,
    created: Option<String>,
    patch: Option<Value>,
    status: Option<u16>,
    times: Option<usize>,
    command: Option<String>,
    key: Option<String>,
    value: Option<String>,
}

pub(super) async fn control(
    State(site): State<Site>,
    Path(call): Path<String>,
    Json(request): Json<Request>,
) -> (StatusCode, Json<Value>) {
    let world = if request.silent { site.world.silent() } else { site.world.clone() };
    match run(&site, &world, &call, request) {
        Ok(answer) => (StatusCode::OK, Json(answer)),
        Err(why) => (StatusCode::BAD_REQUEST, Json(json!({ "error": why }))),
    }
}

fn run(site: &Site, world: &World, call: &str, request: Request) -> Result<Value, String> {
    let need = |value: &Option<String>, name: &str| value.clone().ok_or(format!("{name} is missing"));
    let made = |id: String| Ok(json!({ "ok": true, "id": id }));
    let suffix = request.networkdomain.as_deref();
    match call {
        "add_domain" => {
            let parent = request.parent.clone().unwrap_or_else(|| world.root());
            return made(world.add_domain(&need(&request.name, "name")?, &parent, suffix));
        }
        "set_domain" => world.set_domain_network_domain(&need(&request.id, "id")?, suffix),
        "add_account" => {
            let (domain, name) = (need(&request.domain, "domain")?, need(&request.name, "name")?);
            let id = request.id.clone().unwrap_or_else(|| world.fresh_id());
            world.add_account_as(&id, &domain, &name, suffix);
            return made(id);
        }
        "set_account" => world.set_account_network_domain(&need(&request.id, "id")?, suffix),
        "add_project" => {
            let domain = need(&request.domain, "domain")?;
            return made(world.add_project(&domain, &need(&request.name, "name")?));
        }
        "create_vm" => return made(world.create_vm(spec(world, request)?)),
        "fail" => {
            let body = Body::Json(
                "Internal error executing command, please contact your system administrator".into(),
            );
            let fault = Fault::Status(request.status.unwrap_or(530), body);
            site.fail(request.command.as_deref(), 0, request.times.unwrap_or(1), fault);
        }
        "heal" => site.heal(),
        "publish" => {
            world.publish(&Event { key: request.key.clone(), value: need(&request.value, "value")? });
        }
        "world" => return Ok(overview(world)),
        _ => change_vm(world, call, request)?,
    }
    Ok(json!({ "ok": true }))
}

fn spec(world: &World, request: Request) -> Result<VmSpec, String> {
    let owner = request.owner.ok_or("owner is missing")?;
    known_owner(world, &owner)?;
    Ok(VmSpec {
        name: request.name.ok_or("name is missing")?,
        owner,
        group: request.group,
        v4: request.v4,
        v6: request.v6,
        network: request.network,
        state: request.state.unwrap_or_else(|| "Running".into()),
        created: request.created,
        id: request.id,
    })
}

fn known_owner(world: &World, id: &str) -> Result<(), String> {
    let state = world.read();
    let known = state.account(id).is_some() || state.project(id).is_some();
    known.then_some(()).ok_or(format!("no account and no project has the id {id}"))
}

fn change_vm(world: &World, call: &str, request: Request) -> Result<(), String> {
    let id = request.id.ok_or("id is missing")?;
    let known = || world.vm(&id).map(drop).ok_or(format!("no VM has the id {id}"));
    match call {
        "expunge" => world.expunge_vm(&id),
        "purge" => world.purge_vm(&id),
        _ => {
            known()?;
            match call {
                "rename" => world.rename_vm(&id, &request.name.ok_or("name is missing")?),
                "set_group" => world.set_group(&id, request.group.as_deref()),
                "set_address" => world.set_address(&id, request.v4.as_deref(), request.v6.as_deref()),
                "set_state" => world.set_state(&id, &request.state.ok_or("state is missing")?),
                "destroy" => world.destroy_vm(&id),
                "recover" => world.recover_vm(&id),
                "patch" => world.patch_vm(&id, request.patch.ok_or("patch is missing")?),
                "move" => {
                    let owner = request.owner.ok_or("owner is missing")?;
                    known_owner(world, &owner)?;
                    world.move_vm(&id, &owner);
                }
                _ => return Err(format!("no call is named {call}")),
            }
        }
    }
    Ok(())
}

fn overview(world: &World) -> Value {
    let ids = world.vms();
    let state = world.read();
    let vms: Vec<Value> = ids
        .iter()
        .filter_map(|id| state.vm(id))
        .map(|vm| json!({ "id": vm.id, "name": vm.name, "state": vm.state, "owner": owner_id(&vm.owner) }))
        .collect();
    let accounts: Vec<Value> = state
        .accounts
        .iter()
        .map(|a| json!({ "id": a.id, "name": a.name, "domain": a.domain, "networkdomain": a.networkdomain }))
        .collect();
    let domains: Vec<Value> = state
        .domains
        .iter()
        .map(|d| json!({ "id": d.id, "path": d.path, "networkdomain": d.networkdomain }))
        .collect();
    let projects: Vec<Value> =
        state.projects.iter().map(|p| json!({ "id": p.id, "name": p.name, "domain": p.domain })).collect();
    json!({ "domains": domains, "accounts": accounts, "projects": projects, "vms": vms })
}
