package restward.standin;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import restward.standin.RawHttp.Response;

/** Personal access tokens and the tokens of Confluence's own OAuth 2 provider: a wrong one is nobody, not an error. */
final class TokenTest {
    private static final String ECHO = "/rest/standin/1.0/echo";
    private static final String TOKENS = "/rest/pat/latest/tokens";
    private static StandIn wiki;

    @BeforeAll
    static void start() throws Exception {
        wiki = StandIn.start("STANDIN_PARAMETER_LOGIN=login", "STANDIN_CAPTCHA_AFTER=3");
    }

    @AfterAll
    static void stop() throws Exception {
        wiki.close();
    }

    private static Map<String, Object> create(String user) throws Exception {
        Response created = wiki.json("POST", TOKENS, "{\"name\":\"script\",\"expirationDuration\":90}",
                StandIn.basic(user, user + "-password"));
        assertEquals(201, created.status());
        return created.json();
    }

    @Test
    void aTokenIsItsOwnerUntilRevoked() throws Exception {
        Map<String, Object> token = create("alice");
        String raw = (String) token.get("rawToken");
        assertEquals(44, raw.length());
        Response echo = wiki.get(ECHO, StandIn.bearer(raw));
        assertEquals("alice", StandIn.user(echo));
        assertEquals("pat", echo.json().get("authentication"));
        assertNull(echo.header("Set-Cookie"));
        assertTrue(!wiki.get(TOKENS, StandIn.bearer(raw)).body().contains(raw));
        assertEquals(204, wiki.send("DELETE", TOKENS + "/" + token.get("id"), null, StandIn.bearer(raw)).status());
        assertNull(StandIn.user(wiki.get(ECHO, StandIn.bearer(raw))));
    }

    @Test
    void aWrongTokenGoesOnAsAnonymous() throws Exception {
        Response echo = wiki.get(ECHO, StandIn.bearer(StandIn.ADMIN_PAT.replace('M', 'N')));
        assertEquals(200, echo.status());
        assertNull(StandIn.user(echo));
        assertNull(StandIn.user(wiki.get(ECHO, "Authorization: bearer " + StandIn.ADMIN_PAT)));
    }

    @Test
    void aUserHasAtMostTenTokens() throws Exception {
        for (int i = 0; i < 10; i++) {
            create("bob");
        }
        assertEquals(400, wiki.json("POST", TOKENS, "{\"name\":\"one too many\"}", StandIn.basic("bob", "bob-password")).status());
    }

    @Test
    void anOAuth2TokenIsAJwtWithoutIssuerAndAlsoABasicPassword() throws Exception {
        String admin = StandIn.bearer(StandIn.ADMIN_PAT);
        String token = (String) wiki.send("POST", "/rest/standin/1.0/oauth2-token", null, admin).json().get("access_token");
        assertEquals(3, token.split("\\.").length);
        assertEquals("oauth2", wiki.get(ECHO, StandIn.bearer(token)).json().get("authentication"));
        assertEquals("admin", StandIn.user(wiki.get(ECHO, StandIn.basic("whoever", token))));
        Response wrong = wiki.get(ECHO, StandIn.bearer(token + "x"));
        assertEquals(200, wrong.status());
        assertNull(StandIn.user(wrong));
        assertNull(StandIn.user(wiki.get(ECHO, "Authorization: bearer " + token)));
    }

    @Test
    void lateVersionsTakePasswordParametersAtTheLoginUrlOnly() throws Exception {
        assertNull(StandIn.user(wiki.get(ECHO + "?os_username=alice&os_password=alice-password")));
        assertEquals(302, wiki.form("/dologin.action", "os_username=alice&os_password=alice-password").status());
    }

    @Test
    void repeatedFailuresBringACaptchaForPasswordsOnly() throws Exception {
        String token = (String) create("svc-reports").get("rawToken");
        for (int i = 0; i < 3; i++) {
            assertEquals(401, wiki.get(ECHO, StandIn.basic("svc-reports", "nope")).status());
        }
        Response denied = wiki.get(ECHO, StandIn.basic("svc-reports", "svc-reports-password"));
        assertEquals(401, denied.status());
        assertEquals("AUTHENTICATION_DENIED", denied.header("X-Seraph-LoginReason"));
        assertEquals("svc-reports", StandIn.user(wiki.get(ECHO, StandIn.bearer(token))));
    }
}
