//! `explain`: gathers who and what a question is about, and lets the rules that write say what they would
//! do. Writes nothing and marks nothing, but for an alias that it is the first to see.

mod matter;

use super::{
    engine::Engine,
    servers::{Api, Reads, Tables},
    settle::Decided,
    work::NAMES,
};
use crate::{
    desired::{shown, steps},
    metrics::chain,
    model::{
        Explanation, LEFT_BEHIND, NameStory, OwnerName, PastStory, Rejection, Step, Subject, VmId, VmStory,
        ZoneName,
    },
    observe::Question,
    plan::{self, Decision, Losses},
    powerdns::DbError,
    queue::Priority,
};
use matter::Matter;

/// So many VMs, and so many names, are told of; their number is whole.
const TOLD: usize = 20;

impl<A: Api, T: Tables> Engine<A, T> {
    /// Answers a question that came by HTTP; what cannot be answered yet is asked of the servers.
    pub(super) async fn answer(&mut self, Question { about, answer }: Question) {
        let ready = self.listed && self.audited && self.may_write();
        let told = if ready {
            Box::pin(self.explain(&about)).await.map_err(|error| chain(&error))
        } else {
            Err("this process holds no lease, or has not read everything yet".to_owned())
        };
        let _ = answer.send(told);
    }

    /// Explains, going by what is known and what stands.
    pub(super) async fn explain(&mut self, about: &Subject) -> Result<Explanation, DbError> {
        let Matter { mut vms, names, namesakes, findings } = self.matter(about).await?;
        let mut out = Explanation {
            version: 1,
            owner_id: self.settler.settings.owner.to_string(),
            question: shown(&about.to_string()),
            answer: findings,
            names_total: names.len(),
            ..Explanation::default()
        };
        let names: Vec<OwnerName> = names.into_iter().take(TOLD).collect();
        let decided = self.decide_for(&names).await?;
        let asks_for_names = matches!(about, Subject::Text(_)) && vms.is_empty();
        let mut refusals = false;
        for (name, mut story, decision) in decided {
            self.tell_history(&name, &mut story).await?;
            if story.dns.is_empty() {
                story.dns = self.wildcard(&name).await?;
            }
            let refused = self.refused(&name);
            refusals |= !refused.is_empty();
            match self.world.inventory.redirect_of(name.as_str()) {
                Some(target) if story.claims.is_empty() => {
                    out.answer.push(plan::alias_in_short(&name, target));
                }
                _ => out.answer.extend(plan::in_short(&name, &story, &refused, !vms.is_empty())),
            }
            if asks_for_names {
                vms.extend(decision.outcomes.iter().map(|(vm, _, _)| *vm));
                vms.extend(refused.iter().take(TOLD).map(|(vm, _)| *vm));
                vms.extend(story.history.first().and_then(|past| past.vm.parse::<VmId>().ok()));
            }
            out.names.push(story);
        }
        let strangers = vms.is_empty();
        if strangers {
            vms = namesakes;
        }
        out.vms_total = vms.len();
        out.vms = vms.into_iter().take(TOLD).map(|vm| self.tell_vm(vm)).collect();
        if strangers {
            out.answer.extend(out.vms.iter().take(TOLD).map(plan::called_so));
        }
        if matches!(about, Subject::Vm(_)) && out.names.is_empty() {
            out.answer.push("it has no name in DNS, and nothing of it has ended within 7 days".to_owned());
        }
        // What was asked about by a name has its refusals told with the name.
        for vm in out.vms.iter().filter(|_| !refusals && out.names.iter().all(|name| name.claims.is_empty()))
        {
            out.answer.extend(vm.cannot.iter().map(|step| format!("VM {}: {step}", vm.id)));
        }
        Ok(out)
    }

    /// Decides the names as the next pass would: forward names first, since reverse names point at them.
    async fn decide_for(
        &mut self,
        names: &[OwnerName],
    ) -> Result<Vec<(OwnerName, NameStory, Decision)>, DbError> {
        let (reverse, mut forward): (Vec<OwnerName>, Vec<OwnerName>) =
            names.iter().cloned().partition(OwnerName::is_arpa);
        let targets =
            reverse.iter().flat_map(|name| self.world.claims_at(name)).flat_map(|claim| claim.targets);
        forward.extend(targets);
        forward.sort_unstable();
        forward.dedup();
        let overlay = self.settler.overlay.clone();
        let mut out = Vec::new();
        let mut failed = None;
        for names in forward.chunks(NAMES).chain(reverse.chunks(NAMES)) {
            match self.decide_some(names).await {
                Ok(decided) => out.extend(decided),
                Err(error) => failed = Some(error),
            }
        }
        self.settler.overlay = overlay;
        out.retain(|(name, _, _)| names.contains(name));
        failed.map_or(Ok(out), Err)
    }

    async fn decide_some(
        &mut self,
        names: &[OwnerName],
    ) -> Result<Vec<(OwnerName, NameStory, Decision)>, DbError> {
        let settings = self.settler.settings.clone();
        let hold = Losses::Hold { set: self.held.planned() };
        let mut stories = Vec::new();
        let list = self.world.settings.zones.clone();
        let allows = |zone: &ZoneName| list.allows_anyone(zone);
        let rule = |state: &plan::NameState<'_>| {
            let mut decision = plan::decide(state, &settings, hold);
            // What is in no set yet has not been weighed, or was, and fits the budget.
            if !decision.held.is_empty() && decision.held.iter().all(|loss| loss.set.is_none()) {
                decision = plan::decide(state, &settings, Losses::Allow);
            }
            stories.push(plan::explain(state, &settings, &decision, &allows));
            decision
        };
        let Decided { decisions, also, .. } = self.settler.decide_by(&mut self.world, names, rule).await?;
        for name in also {
            self.mark(&name, Priority::Live);
        }
        for (name, decision) in &decisions {
            self.settler.overlay.note(name, decision);
        }
        let told = decisions.into_iter().zip(stories).map(|((name, decision), mut story)| {
            plan::tell_claims(&name, &mut story, &decision);
            (name, story, decision)
        });
        Ok(told.collect())
    }

    async fn tell_history(&self, name: &OwnerName, story: &mut NameStory) -> Result<(), DbError> {
        for line in self.settler.reader.history(name).await? {
            let (content, why) = (shown(&line.content), shown(&line.why));
            if line.why == LEFT_BEHIND {
                let left = story.rows.iter_mut();
                for row in left.filter(|row| {
                    (&row.rtype, &row.content, row.says.starts_with("not ours"))
                        == (&line.rtype, &content, true)
                }) {
                    row.says =
                        format!("left behind by VM {}, whose claim ended after it was edited", line.vm);
                }
            }
            story.history.push(PastStory {
                at: line.at,
                rtype: line.rtype,
                content,
                vm: shown(&line.vm),
                why,
            });
        }
        Ok(())
    }

    /// What a wildcard of the zone answers for a name that has nothing of its own (RFC 4592): of the nearest
    /// name above it that exists.
    async fn wildcard(&self, name: &OwnerName) -> Result<Vec<String>, DbError> {
        let Some(zone) = self.world.zones.enclosing(name.as_str()) else { return Ok(Vec::new()) };
        let apex = zone.name.as_str();
        let above: Vec<&str> = if name.as_str() == apex {
            Vec::new()
        } else {
            name.ancestors_below(apex).chain([apex]).collect()
        };
        let wild = |above: &str| OwnerName::stored(&format!("*.{above}")).ok();
        let mut around: Vec<OwnerName> = above.iter().filter_map(|above| wild(above)).collect();
        around.extend(above.iter().filter_map(|above| OwnerName::stored(above).ok()));
        let read = self.settler.reader.names_and_around(&[], &around).await?;
        for above in above {
            if let Some(wild) = wild(above) {
                let answers = plan::visible(read.rows_at(wild.as_str()), zone);
                if !answers.is_empty() {
                    return Ok(answers
                        .into_iter()
                        .map(|text| format!("{text}, by the wildcard {wild}"))
                        .collect());
                }
            }
            if !plan::visible(read.rows_at(above), zone).is_empty() {
                break;
            }
        }
        Ok(Vec::new())
    }

    /// What VMs cannot have at this name.
    fn refused(&self, name: &OwnerName) -> Vec<(VmId, Rejection)> {
        let mut found = Vec::new();
        self.board.each_rejection(|vm, rejection| {
            if rejection.name.eq_ignore_ascii_case(name.as_str()) {
                found.push((vm, rejection.clone()));
            }
        });
        found.sort_by_key(|(vm, _)| *vm);
        found
    }

    fn tell_vm(&self, id: VmId) -> VmStory {
        let mut story = VmStory { id: id.to_string(), ..VmStory::default() };
        let Some(known) = self.world.inventory.get(id) else {
            let says = if self.world.is_orphan(id) {
                "the latest listing lacks it, which is not proved yet: its records stay until it is"
            } else {
                "CloudStack has no such VM, or shows it as Destroyed or Expunging"
            };
            story.steps.push(Step::new("state", says));
            return story;
        };
        let vm = known.vm();
        story.name = Some(shown(&vm.name));
        story.steps = steps(vm, &self.world.owners, &self.world.settings);
        if self.world.inventory.absence(id).is_some() {
            let says = "the latest listing lacks it, which is not proved yet: its records stay until it is";
            story.steps.push(Step::new("absence", says));
        }
        let claims = self.world.claims_of(vm);
        let mut names: Vec<OwnerName> = Vec::new();
        for claim in claims {
            story.wants.push(Step::new(claim.kind.as_str(), claim.name.to_string()));
            names.push(claim.name);
        }
        for name in known.names().filter(|name| !names.contains(name)) {
            story.steps.push(Step::new("had", format!("{name}, which it wants no more or cannot have now")));
        }
        for rejection in self.world.rejections_of(vm) {
            story.cannot.push(plan::refusal(&rejection));
        }
        story
    }
}
