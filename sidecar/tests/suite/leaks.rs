//! No secret leaves, whatever happens and however much is logged.

use crate::support::{World, keys, logs};

#[tokio::test]
async fn no_token_password_key_or_query_value_is_written_anywhere() {
    let world = World::new().await;
    let good = world.idp.token("alice");
    let expired = world.idp.token_with(serde_json::json!({"exp": 1000}));
    let pat = "TGVha2VkUGVyc29uYWxBY2Nlc3NUb2tlblZhbHVlMTIz".to_owned();
    let password = "bGVha2VkLXVzZXI6bGVha2VkLXBhc3N3b3Jk".to_owned();
    let mut seen = String::new();
    let headers = [
        format!("Bearer {good}"),
        format!("Bearer {expired}"),
        format!("Bearer {good}x"),
        format!("Bearer {pat}"),
        format!("Basic {password}"),
        "Negotiate leaked-negotiation".to_owned(),
    ];
    for value in &headers {
        for path in ["/rest/api/content", "/display/x", "/status", "/x/..;/rest"] {
            let target = format!("{path}?secret=leaked-value&os_password=leaked-parameter");
            let sent = [("Authorization", value.as_str()), ("Cookie", "JSESSIONID=leaked-session")];
            seen.push_str(&format!("{:?}", world.get(&target, &sent).await));
        }
    }
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    seen.push_str(&format!(
        "{:?}",
        world.send("POST", "/rest/api", &[form], "os_password=leaked-form").await
    ));
    seen.push_str(&world.audit.text());
    seen.push_str(&world.metrics().await);
    seen.push_str(&world.status().await.to_string());
    let pem = String::from_utf8(keys::pem(keys::consumer())).unwrap();
    let key_line = pem.lines().nth(3).unwrap();
    let logged = logs::text();
    assert!(logged.contains("configuration in force"), "logs are captured");
    let secrets = [
        good.rsplit('.').next().unwrap(),
        expired.rsplit('.').next().unwrap(),
        good.split('.').nth(1).unwrap(),
        &pat,
        &password,
        "leaked-negotiation",
        "leaked-value",
        "leaked-parameter",
        "leaked-session",
        "leaked-form",
        key_line,
    ];
    let shown: Vec<_> = secrets.iter().filter(|secret| seen.contains(**secret)).collect();
    assert!(shown.is_empty(), "in answers, audit, metrics or status: {shown:?}");
    let in_log: Vec<_> = secrets.iter().filter(|secret| logged.contains(**secret)).collect();
    assert!(in_log.is_empty(), "in the log: {in_log:?}");
}
