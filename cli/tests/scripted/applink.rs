//! `applink apply`, `verify`, `rotate` and `remove`.

use crate::{
    Home,
    wiki::{ADMIN, ALICE, CONSUMER, Link, Wiki, cluster, jira, own},
};

/// The program, with the token of this file where it takes one.
struct Given {
    wiki: Wiki,
    home: Home,
    api: crate::api::ApiServer,
}

impl Given {
    async fn with(test: &str, links: Vec<Link>) -> Self {
        let wiki = Wiki::new(links);
        let api = cluster(&wiki).await;
        let home = Home::new(test, &api.url);
        Self { wiki, home, api }
    }

    async fn run(&self, command: &str, token: &str, more: &[&str]) -> crate::Ended {
        let file = self.home.file("token", token);
        let ended = self
            .home
            .run(&[&["applink", command, "--token-file", file.to_str().unwrap()], more].concat())
            .await;
        assert!(!ended.said.contains(token), "the token is told: {}", ended.said);
        ended
    }

    async fn verify(&self) -> crate::Ended {
        self.home.run(&["applink", "verify"]).await
    }
}

#[tokio::test]
async fn a_link_is_made_by_three_calls_and_seen_to_work() {
    let given = Given::with("made", vec![jira()]).await;
    given.verify().await.is(1, &["LinkMissing", "applink apply"]);
    given.run("apply", ADMIN, &[]).await.is(
        0,
        &["1/3", "was made (0-2)", "2/3", "3/3", "√ Confluence takes what the sidecar of wiki-0 signs"],
    );
    assert_eq!(given.wiki.links(), [jira(), own()], "the others are left alone");
    assert_eq!(given.wiki.changes().len(), 3);
    given.verify().await.is(0, &["√ Confluence takes"]);
    // Again: it is found.
    given.run("apply", ADMIN, &["-o", "json"]).await.is(0, &["is there (0-2)", "\"isRight\": true"]);
    assert_eq!(given.wiki.links(), [jira(), own()]);
}

#[tokio::test]
async fn what_is_wrong_about_a_link_is_put_right() {
    let wrong = [
        ("key", "SignatureInvalid", Link { key: Some("of somebody else".into()), ..own() }),
        ("silent", "LinkMissing", Link { key: None, ..own() }),
        ("nobody", "ImpersonationOff", Link { may_impersonate: false, ..own() }),
    ];
    for (name, reason, link) in wrong {
        let given = Given::with(name, vec![jira(), link]).await;
        given.verify().await.is(1, &[reason]);
        given.run("apply", ADMIN, &[]).await.is(0, &["is there (0-2)", "√ Confluence takes"]);
        assert_eq!(given.wiki.links(), [jira(), own()]);
    }
}

#[tokio::test]
async fn who_may_not_is_told_why_and_nothing_changes() {
    let given = Given::with("refused", vec![jira()]).await;
    given.run("apply", ALICE, &[]).await.is(3, &["no system administrator"]);
    given
        .run("apply", "nobodys-token", &[])
        .await
        .is(3, &["the sidecar refused it: credential_not_accepted"]);
    given.home.run(&["applink", "apply"]).await.is(3, &["none was given", "--token-file"]);
    given.wiki.0.lock().unwrap().asks_for_websudo = true;
    given.run("apply", ADMIN, &[]).await.is(3, &["WebSudo", "clicks"]);
    assert_eq!((given.wiki.links(), given.wiki.changes()), (vec![jira()], Vec::new()));
}

#[tokio::test]
async fn a_link_of_somebody_else_with_the_name_is_left_alone() {
    let other = Link { name: CONSUMER.into(), ..jira() };
    let given = Given::with("taken", vec![other.clone()]).await;
    for command in ["apply", "rotate", "remove"] {
        given.run(command, ADMIN, &[]).await.is(3, &["leads elsewhere"]);
    }
    assert_eq!(given.wiki.links(), [other]);
}

#[tokio::test]
async fn the_key_is_replaced_once_the_sidecar_has_the_next_and_is_seen_to_be_taken() {
    let given = Given::with("rotate", vec![jira(), own()]).await;
    given.run("rotate", ADMIN, &["-o", "json"]).await.is(
        0,
        &[
            "1/3",
            "wait for wiki-0",
            "2/3 it has the key",
            "3/3 Confluence takes the key new",
            "\"fingerprint\": \"new\"",
        ],
    );
    assert_eq!(given.wiki.links(), [jira(), Link { key: Some("new".into()), ..own() }]);
    assert_eq!(given.wiki.0.lock().unwrap().gaps, 0, "no call fails meanwhile");
    assert_eq!(
        given.wiki.changes(),
        ["PUT /rest/applinks-oauth/1.0/applicationlink/0-2/authentication/consumer"]
    );
    assert_eq!(
        given.api.changes(),
        [format!("PATCH {}", crate::wiki::POLICY)],
        "the next key is asked for once"
    );
    given.verify().await.is(0, &["√ Confluence takes"]);
}

#[tokio::test]
async fn without_a_link_there_is_no_key_to_replace() {
    let given = Given::with("linkless", vec![jira()]).await;
    given.run("rotate", ADMIN, &[]).await.is(3, &["there is no link", "applink apply"]);
    assert_eq!(given.wiki.links(), [jira()]);
}

#[tokio::test]
async fn a_link_is_removed_only_when_that_was_said() {
    let given = Given::with("remove", vec![jira(), own()]).await;
    given.run("remove", ADMIN, &[]).await.is(1, &["get 503 from then on", "nothing was changed"]);
    given.run("remove", ALICE, &["--yes"]).await.is(3, &["no system administrator"]);
    assert_eq!(given.wiki.links(), [jira(), own()]);
    given.run("remove", ADMIN, &["--yes", "-o", "json"]).await.is(0, &["\"id\": \"0-2\""]);
    assert_eq!(given.wiki.links(), [jira()]);
    given.verify().await.is(1, &["LinkMissing"]);
    given.run("remove", ADMIN, &["--yes"]).await.is(0, &["Confluence has no application link"]);
}
