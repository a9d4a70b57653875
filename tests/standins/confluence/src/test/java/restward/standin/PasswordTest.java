package restward.standin;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import restward.standin.RawHttp.Response;

/** Every form in which a password is taken, the sessions that follow, and os_authType. */
final class PasswordTest {
    private static final String ECHO = "/rest/standin/1.0/echo";
    private static final String ALICE = StandIn.basic("alice", "alice-password");
    private static StandIn wiki;

    @BeforeAll
    static void start() throws Exception {
        wiki = StandIn.start();
    }

    @AfterAll
    static void stop() throws Exception {
        wiki.close();
    }

    private static String cookieOf(Response response) {
        return "Cookie: " + response.header("Set-Cookie").split(";")[0];
    }

    @Test
    void basicLogsInAndOpensASession() throws Exception {
        Response echo = wiki.get(ECHO, ALICE);
        assertEquals("alice", StandIn.user(echo));
        assertEquals("OK", echo.header("X-Seraph-LoginReason"));
        Response again = wiki.get(ECHO, cookieOf(echo));
        assertEquals("alice", StandIn.user(again));
        assertEquals("session", again.json().get("authentication"));
    }

    @Test
    void theSchemeIsReadInAnyCaseAndTheNameAsUtf8() throws Exception {
        assertEquals("alice", StandIn.user(wiki.get(ECHO, ALICE.replace("Basic", "bAsIc"))));
        assertEquals("jürgen", StandIn.user(wiki.get(ECHO, StandIn.basic("jürgen", "juergen-password"))));
    }

    @Test
    void wrongBasicIs401() throws Exception {
        Response wrong = wiki.get(ECHO, StandIn.basic("alice", "nope"));
        assertEquals(401, wrong.status());
        assertTrue(wrong.body().contains("Basic Authentication Failure - Reason : AUTHENTICATED_FAILED"), wrong.body());
        assertEquals("AUTHENTICATED_FAILED", wrong.header("X-Seraph-LoginReason"));
        assertEquals(401, wiki.get(ECHO, StandIn.basic("nobody", "nope")).status());
        assertEquals(401, wiki.get(ECHO, StandIn.basic("dora", "dora-password")).status());
        assertEquals(401, wiki.get(ECHO, "Authorization: Basic ???").status());
    }

    @Test
    void passwordParametersAreTakenInQueryAndForm() throws Exception {
        assertEquals("bob", StandIn.user(wiki.get(ECHO + "?os_username=bob&os_password=bob-password")));
        assertEquals("bob", StandIn.user(wiki.form(ECHO, "os_username=bob&os_%70assword=bob-password")));
        Response wrong = wiki.get(ECHO + "?os_username=bob&os_password=nope");
        assertEquals(200, wrong.status());
        assertNull(StandIn.user(wrong));
        assertEquals("AUTHENTICATED_FAILED", wrong.header("X-Seraph-LoginReason"));
    }

    @Test
    void theLoginFormOpensASessionAndRemembers() throws Exception {
        assertTrue(wiki.get("/login.action").body().contains("os_password"));
        Response done = wiki.form("/dologin.action",
                "os_username=alice&os_password=alice-password&os_cookie=true&os_destination=/display/DS");
        assertEquals(302, done.status());
        assertTrue(done.header("Location").endsWith("/confluence/display/DS"), done.header("Location"));
        String remembered = done.headers("Set-Cookie").stream().filter(c -> c.startsWith("seraph.confluence")).findFirst().orElseThrow();
        Response echo = wiki.get(ECHO + "?os_authType=cookie", "Cookie: " + remembered.split(";")[0]);
        assertEquals("remember-me", echo.json().get("authentication"));
        Response failed = wiki.form("/dologin.action", "os_username=alice&os_password=nope");
        assertEquals(200, failed.status());
        assertTrue(wiki.form("/dologin.action", "os_username=alice&os_password=alice-password&os_destination=//evil.test")
                .header("Location").endsWith("/confluence/index.action"));
    }

    @Test
    void theLoginPageOfNewerVersionsSendsJson() throws Exception {
        String path = "/rest/tsv/1.0/authenticate?os_authType=none";
        Response done = wiki.json("POST", path, "{\"username\":\"alice\",\"password\":\"alice-password\"}");
        assertEquals("alice", StandIn.user(wiki.get(ECHO, cookieOf(done))));
        assertEquals(401, wiki.json("POST", path, "{\"username\":\"alice\",\"password\":\"nope\"}").status());
    }

    @Test
    void authTypeBasicChallenges() throws Exception {
        Response challenged = wiki.get(ECHO + "?os_authType=basic");
        assertEquals(401, challenged.status());
        assertTrue(challenged.challenge().contains("Basic realm=\"protected-area\""), challenged.challenge());
        assertEquals("alice", StandIn.user(wiki.get(ECHO + "?os_authType=basic", ALICE)));
    }

    @Test
    void authTypeCookieRefusesAMadeUpCookie() throws Exception {
        Response refused = wiki.get(ECHO + "?os_authType=cookie", "Cookie: JSESSIONID=made-up");
        assertEquals(401, refused.status());
        assertTrue(!refused.challenge().contains("Basic"), refused.challenge());
        assertEquals(401, wiki.get(ECHO + "?os_authType=cookie").status());
        String cookie = cookieOf(wiki.get(ECHO, ALICE));
        assertEquals("alice", StandIn.user(wiki.get(ECHO + "?os_authType=cookie", cookie)));
    }

    @Test
    void authTypeAnyRefusesOnlyAStaleSession() throws Exception {
        assertEquals(401, wiki.get(ECHO + "?os_authType=any", "Cookie: JSESSIONID=made-up").status());
        assertEquals(200, wiki.get(ECHO + "?os_authType=any").status());
        assertEquals(200, wiki.get(ECHO + "?os_authType=none", "Cookie: JSESSIONID=made-up").status());
        assertEquals(200, wiki.get(ECHO, "Cookie: JSESSIONID=made-up").status());
    }

    @Test
    void theStockBanRefusesTheHeaderButNoOtherPassword() throws Exception {
        String config = "/rest/basicauth/1.0/config";
        String pat = StandIn.bearer(StandIn.ADMIN_PAT);
        assertEquals(204, wiki.json("PUT", config,
                "{\"block-requests\":true,\"allowed-paths\":[\"/rest/api/*\"],\"allowed-users\":[\"bob\"],\"show-warning-message\":true}", pat).status());
        try {
            Response banned = wiki.get(ECHO, ALICE);
            assertEquals(403, banned.status());
            assertEquals("Basic Authentication has been disabled on this instance.", banned.json().get("message"));
            assertEquals(200, wiki.get("/rest/api/content", ALICE).status());
            assertEquals("bob", StandIn.user(wiki.get(ECHO, StandIn.basic("bob", "bob-password"))));
            assertEquals("alice", StandIn.user(wiki.get(ECHO + "?os_username=alice&os_password=alice-password")));
        } finally {
            assertEquals(204, wiki.json("PUT", config, "{\"block-requests\":false}", pat).status());
        }
        assertEquals("alice", StandIn.user(wiki.get(ECHO, ALICE)));
    }

    @Test
    void theRemoteApiTakesThePasswordInTheBody() throws Exception {
        String call = "<methodCall><methodName>confluence2.login</methodName><params><param><value><string>alice</string></value></param>"
                + "<param><value><string>%s</string></value></param></params></methodCall>";
        assertTrue(wiki.send("POST", "/rpc/xmlrpc", call.formatted("alice-password")).body().contains("rpc-token-of-alice"));
        assertTrue(wiki.send("POST", "/rpc/xmlrpc", call.formatted("nope")).body().contains("<fault>"));
    }

    @Test
    void logoutEndsTheSession() throws Exception {
        String cookie = cookieOf(wiki.get(ECHO, ALICE));
        wiki.get("/logout.action", cookie);
        assertEquals(401, wiki.get(ECHO + "?os_authType=cookie", cookie).status());
    }
}
