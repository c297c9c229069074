//! Group names: `<safe group>-<first 8 characters of the account's UUID>.<suffix>`.

use super::{
    rules_support::{REVERSE, no_such_name, put, says, settled, tenant, zones},
    support::{example, sync, vm},
};
use testbed::{Lab, VmSpec};

#[tokio::test]
async fn the_example_of_the_contract() {
    let mut lab = Lab::new("group_example").await;
    example(&lab).await;
    lab.world().create_vm(vm("web-01", "192.0.2.1").group("www").v6("2001:db8::1"));
    sync(&lab, &[]).await;
    says(&lab, "www-edd2ab05.domain.com", "A", &["192.0.2.1"]).await;
    says(&lab, "www-edd2ab05.domain.com", "AAAA", &["2001:db8::1"]).await;
    says(&lab, "1.2.0.192.in-addr.arpa", "PTR", &["web-01.domain.com."]).await;
    settled(&mut lab, &[]).await;
}

#[tokio::test]
async fn a_group_keeps_only_letters_and_digits_in_lower_case() {
    let mut lab = Lab::new("group_safe").await;
    example(&lab).await;
    for (at, group) in ["W-w_w 1!", "Ünï.cödé", "--- ", "日本", "www1"].iter().enumerate() {
        lab.world().create_vm(vm(&format!("vm{at}"), &format!("192.0.2.{at}")).group(group));
    }
    sync(&lab, &[]).await;
    says(&lab, "www1-edd2ab05.domain.com", "A", &["192.0.2.0", "192.0.2.4"]).await;
    says(&lab, "ncd-edd2ab05.domain.com", "A", &["192.0.2.1"]).await;
    no_such_name(&lab, "-edd2ab05.domain.com").await;
    no_such_name(&lab, "edd2ab05.domain.com").await;
    let rows = lab.db.rows_of_zone("domain.com").await.unwrap().into_iter();
    let groups: Vec<String> = rows.map(|row| row.name).filter(|name| name.contains("edd2ab05")).collect();
    assert_eq!(groups.len(), 3, "rows of group names, none of a group of which nothing is left: {groups:?}");
    settled(&mut lab, &[]).await;
}

#[tokio::test]
async fn a_group_label_of_more_than_63_characters_is_none_and_the_vms_name_stands() {
    let lab = Lab::new("group_long").await;
    example(&lab).await;
    lab.world().create_vm(vm("fits", "192.0.2.1").group(&"a".repeat(54)));
    lab.world().create_vm(vm("bursts", "192.0.2.2").group(&"b".repeat(55)));
    sync(&lab, &[]).await;
    says(&lab, &format!("{}-edd2ab05.domain.com", "a".repeat(54)), "A", &["192.0.2.1"]).await;
    says(&lab, "bursts.domain.com", "A", &["192.0.2.2"]).await;
    let long = lab.db.contents(&format!("{}-edd2ab05.domain.com", "b".repeat(55)), "A").await.unwrap();
    assert_eq!(long, Vec::<String>::new());
}

#[tokio::test]
async fn members_come_and_leave_and_the_last_one_takes_the_name_along() {
    let mut lab = Lab::new("group_members").await;
    example(&lab).await;
    let world = lab.world().clone();
    let one = world.create_vm(vm("one", "192.0.2.1").group("www"));
    let two = world.create_vm(vm("two", "192.0.2.2").group("www"));
    sync(&lab, &[]).await;
    says(&lab, "www-edd2ab05.domain.com", "A", &["192.0.2.1", "192.0.2.2"]).await;

    let three = world.create_vm(vm("three", "192.0.2.3").group("WWW"));
    world.set_group(&one, Some("db"));
    sync(&lab, &[]).await;
    says(&lab, "www-edd2ab05.domain.com", "A", &["192.0.2.2", "192.0.2.3"]).await;
    says(&lab, "db-edd2ab05.domain.com", "A", &["192.0.2.1"]).await;

    world.set_group(&two, None);
    world.destroy_vm(&three);
    sync(&lab, &[]).await;
    no_such_name(&lab, "www-edd2ab05.domain.com").await;
    says(&lab, "two.domain.com", "A", &["192.0.2.2"]).await;
    settled(&mut lab, &[]).await;
}

#[tokio::test]
async fn two_members_of_one_address_are_one_record_that_stays_until_both_have_left() {
    let mut lab = Lab::new("group_shared_address").await;
    example(&lab).await;
    let one = lab.world().create_vm(vm("one", "192.0.2.1").group("www"));
    let two = lab.world().create_vm(vm("two", "192.0.2.1").group("www"));
    sync(&lab, &[]).await;
    says(&lab, "www-edd2ab05.domain.com", "A", &["192.0.2.1"]).await;
    lab.world().destroy_vm(&one);
    sync(&lab, &[]).await;
    says(&lab, "www-edd2ab05.domain.com", "A", &["192.0.2.1"]).await;
    settled(&mut lab, &[]).await;
    lab.world().destroy_vm(&two);
    sync(&lab, &[]).await;
    no_such_name(&lab, "www-edd2ab05.domain.com").await;
}

#[tokio::test]
async fn a_group_name_stands_under_each_suffix_and_accounts_do_not_mix() {
    let lab = Lab::new("group_suffixes").await;
    let domain = example(&lab).await;
    zones(&lab, &["common.org"]).await;
    let other = lab.world().add_account(&domain, "other", None);
    lab.world().create_vm(vm("one", "192.0.2.1").group("www"));
    lab.world().create_vm(VmSpec::new("two", &other).v4("192.0.2.2").group("www"));
    sync(&lab, &[("DNS_COMMON_ZONE", "common.org"), ("DNS_ADD_TO_COMMON_ZONE", "true")]).await;
    for suffix in ["domain.com", "common.org"] {
        says(&lab, &format!("www-edd2ab05.{suffix}"), "A", &["192.0.2.1"]).await;
        says(&lab, &format!("www-{}.{suffix}", &other[..8]), "A", &["192.0.2.2"]).await;
    }
}

#[tokio::test]
async fn nobody_takes_a_group_over_by_naming_a_vm_after_it() {
    let mut lab = Lab::new("group_outranks").await;
    let domain = example(&lab).await;
    let other = lab.world().add_account(&domain, "other", None);
    put(&lab, &other, "www-edd2ab05", "198.51.100.66");
    sync(&lab, &[]).await;
    says(&lab, "www-edd2ab05.domain.com", "A", &["198.51.100.66"]).await;
    lab.world().create_vm(vm("one", "192.0.2.1").group("www"));
    sync(&lab, &[]).await;
    says(&lab, "www-edd2ab05.domain.com", "A", &["192.0.2.1"]).await;
    settled(&mut lab, &[]).await;
}

#[tokio::test]
async fn a_vm_that_moves_to_another_account_leaves_the_groups_of_the_old_one() {
    let lab = Lab::new("group_moves").await;
    let domain = example(&lab).await;
    let other = lab.world().add_account(&domain, "other", None);
    let one = lab.world().create_vm(vm("one", "192.0.2.1").group("www"));
    sync(&lab, &[]).await;
    lab.world().move_vm(&one, &other);
    lab.world().set_group(&one, Some("www"));
    sync(&lab, &[]).await;
    no_such_name(&lab, "www-edd2ab05.domain.com").await;
    says(&lab, &format!("www-{}.domain.com", &other[..8]), "A", &["192.0.2.1"]).await;
}

/// A project's VM: the project's id stands in for the account's, and no account's network domain applies.
async fn project_vms(test: &str, version: (u32, u32)) {
    let mut lab = Lab::new(test).await;
    let world = lab.world().clone();
    world.set_version(version.0, version.1);
    let domain = world.add_domain("acme", &world.root(), Some("domain.org"));
    zones(&lab, &["domain.org", "account.org", REVERSE]).await;
    let account = world.add_account(&domain, "ops", Some("account.org"));
    let project = world.add_project(&domain, "apollo");
    put(&lab, &account, "plain", "192.0.2.1");
    let vm = world.create_vm(VmSpec::new("web", &project).v4("192.0.2.2").group("www"));
    sync(&lab, &[]).await;
    says(&lab, "plain.account.org", "A", &["192.0.2.1"]).await;
    says(&lab, "web.domain.org", "A", &["192.0.2.2"]).await;
    no_such_name(&lab, "web.account.org").await;
    let group = format!("www-{}.domain.org", &project[..8]);
    says(&lab, &group, "A", &["192.0.2.2"]).await;
    says(&lab, "2.2.0.192.in-addr.arpa", "PTR", &["web.domain.org."]).await;
    settled(&mut lab, &[]).await;
    world.destroy_vm(&vm);
    sync(&lab, &[]).await;
    no_such_name(&lab, "web.domain.org").await;
    no_such_name(&lab, &group).await;
}

#[tokio::test]
async fn project_vms_count_before_4_14() {
    project_vms("project_4_13", (4, 13)).await;
}

#[tokio::test]
async fn project_vms_count_from_4_14() {
    project_vms("project_4_14", (4, 14)).await;
}

#[tokio::test]
async fn project_vms_count_in_4_20() {
    project_vms("project_4_20", (4, 20)).await;
}

#[tokio::test]
async fn a_vm_moves_into_a_project_and_back() {
    let lab = Lab::new("into_project").await;
    let account = tenant(&lab, None, Some("account.org"));
    let world = lab.world().clone();
    let domain = world.add_domain("space", &world.root(), Some("domain.org"));
    zones(&lab, &["domain.org", "account.org", REVERSE]).await;
    let project = world.add_project(&domain, "apollo");
    let web = put(&lab, &account, "web", "192.0.2.1");
    for (owner, here, there) in [
        (&account, "account.org", "domain.org"),
        (&project, "domain.org", "account.org"),
        (&account, "account.org", "domain.org"),
    ] {
        world.move_vm(&web, owner);
        sync(&lab, &[]).await;
        says(&lab, &format!("web.{here}"), "A", &["192.0.2.1"]).await;
        no_such_name(&lab, &format!("web.{there}")).await;
        says(&lab, "1.2.0.192.in-addr.arpa", "PTR", &[&format!("web.{here}.")]).await;
    }
}
