package restward.standin;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import restward.standin.RawHttp.Response;

/** Provisioning of a link: each step is needed, and only a system administrator's token may do it. */
final class ApplicationLinkTest {
    private static final String LINKS = "/rest/applinks/3.0/applicationlink";
    private static final String PAT = StandIn.bearer(StandIn.ADMIN_PAT);
    private static StandIn wiki;

    @BeforeAll
    static void start() throws Exception {
        wiki = StandIn.start();
    }

    @AfterAll
    static void stop() throws Exception {
        wiki.close();
    }

    private static String problemOf(String consumerKey) throws Exception {
        Response response = new OAuthCall("alice").set("oauth_consumer_key", consumerKey).send(wiki);
        return response.status() == 200 ? "none" : response.challenge().replaceAll(".*oauth_problem=\"([a-z_]+)\".*", "$1");
    }

    @Test
    void eachStepIsNeededAndTheFlagsOfStepTwoChangeNothing() throws Exception {
        String id = Provisioning.create(wiki);
        assertEquals("consumer_key_unknown", problemOf("steps"));
        Provisioning.consumer(wiki, id, "steps");
        assertEquals("permission_denied", problemOf("steps"));
        Provisioning.status(wiki, id, true, true, false);
        assertEquals("permission_denied", problemOf("steps"));
        Provisioning.status(wiki, id, true, true, true);
        assertEquals("none", problemOf("steps"));
        Provisioning.status(wiki, id, false, true, true);
        assertEquals("permission_denied", problemOf("steps"));
        assertEquals(200, wiki.send("DELETE", LINKS + "/" + id, null, PAT).status());
        assertEquals("consumer_key_unknown", problemOf("steps"));
    }

    @Test
    void statusAndListShowTheLink() throws Exception {
        String id = Provisioning.link(wiki, "shown");
        Map<?, ?> incoming = (Map<?, ?>) wiki.get("/rest/applinks/3.0/status/" + id + "/oauth", PAT).json().get("incoming");
        assertEquals(Map.of("enabled", true, "twoLoEnabled", true, "twoLoImpersonationEnabled", true), incoming);
        List<?> list = (List<?>) wiki.get("/rest/applinks/latest/listApplicationlinks", PAT).json().get("list");
        assertTrue(list.toString().contains(id), list.toString());
    }

    @Test
    void aLinkSurvivesARestart() throws Exception {
        Provisioning.link(wiki, "kept");
        wiki.restart();
        assertEquals("none", problemOf("kept"));
    }

    @Test
    void theAnswerIsXmlUnlessJsonIsAskedFor() throws Exception {
        Response created = wiki.send("PUT", LINKS,
                "{\"name\":\"xml\",\"rpcUrl\":\"https://x.invalid\",\"typeId\":\"generic\"}", PAT, "Content-Type: application/json");
        assertEquals(201, created.status());
        assertTrue(created.body().contains("<link rel=\"self\" href=\""), created.body());
    }

    @Test
    void onlyASystemAdministratorsTokenMayProvision() throws Exception {
        assertEquals(401, wiki.json("PUT", LINKS, "{}").status());
        Response password = wiki.json("PUT", LINKS, "{}", StandIn.basic("admin", "admin-password"));
        assertEquals(401, password.status());
        assertTrue(password.body().contains("WebSudo"), password.body());
        String alices = (String) wiki.json("POST", "/rest/pat/latest/tokens", "{\"name\":\"x\"}",
                StandIn.basic("alice", "alice-password")).json().get("rawToken");
        assertEquals(403, wiki.json("PUT", LINKS, "{}", StandIn.bearer(alices)).status());
    }

    @Test
    void aBrokenPublicKeyIsRefused() throws Exception {
        String id = Provisioning.create(wiki);
        assertEquals(400, wiki.json("PUT", "/rest/applinks-oauth/1.0/applicationlink/" + id + "/authentication/consumer",
                "{\"key\":\"k\",\"name\":\"n\",\"publicKey\":\"AAAA\",\"outgoing\":false}", PAT).status());
    }
}
