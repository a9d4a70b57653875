//! People in a browser notice nothing.

use anyhow::{Result, anyhow};
use reqwest::multipart::{Form, Part};

use crate::{
    keycloak::user_token,
    table::Table,
    wiki::{Auth, finish, get, log_in},
    world::World,
};

pub(super) async fn people_work_on(world: &World, table: &mut Table, when: &str) -> Result<()> {
    if when.is_empty() {
        table.section("People in a browser");
    }
    table.status(format!("login page{when}"), 200, &get(world, "/login.action", &Auth::None).await?);
    let (answer, session) = log_in(world, "bob", "bob-password").await?;
    table.status(format!("login form: redirected{when}"), 302, &answer);
    let page = get(world, "/index.action", &session).await?;
    table.add(
        format!("page as the logged-in user{when}"),
        "200 with Bob",
        page.status.to_string(),
        page.status == 200 && page.body.contains("Bob"),
    );
    table.status(
        format!("the page's own REST calls, by session{when}"),
        200,
        &get(world, "/rest/api/content", &session).await?,
    );
    table.status(
        format!("download of 8 MiB, by session{when}"),
        200,
        &get(world, "/download/attachments/zeros/8388608", &session).await?,
    );
    if when.is_empty() {
        let made_up =
            get(world, "/rest/api/content", &Auth::Cookie("JSESSIONID=0123456789ABCDEF".into())).await?;
        table.status("a made-up session cookie on the REST API", 401, &made_up);
        attachment(world, table).await?;
    }
    Ok(())
}

/// Upload by token, download by token: the body arrives unchanged.
async fn attachment(world: &World, table: &mut Table) -> Result<()> {
    let auth = Auth::Bearer(user_token(world, "alice").await?);
    let page = finish(
        world
            .http
            .post(format!("{}/rest/api/content", world.wiki_url))
            .json(&serde_json::json!({"type": "page", "title": "Attached"})),
        &auth,
    )
    .await?;
    table.status("a page made by token", 200, &page);
    let id = page.json()["id"]
        .as_str()
        .map(ToOwned::to_owned)
        .ok_or_else(|| anyhow!("the new page has no id: {}", page.body))?;
    let bytes = vec![b'x'; 3 << 20];
    let form = Form::new().part("file", Part::bytes(bytes.clone()).file_name("big.bin"));
    let url = format!("{}/rest/api/content/{id}/child/attachment", world.wiki_url);
    let answer =
        finish(world.http.post(url).header("x-atlassian-token", "no-check").multipart(form), &auth).await?;
    table.status("an attachment of 3 MiB uploaded by token", 200, &answer);
    let back = get(world, &format!("/download/attachments/{id}/big.bin"), &auth).await?;
    let same = back.body.as_bytes() == bytes;
    table.add(
        "… and downloaded by token, unchanged",
        "200, same bytes",
        format!("{}, {} bytes", back.status, back.body.len()),
        back.status == 200 && same,
    );
    Ok(())
}
