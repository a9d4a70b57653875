package restward.standin.rest;

import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.spec.X509EncodedKeySpec;
import java.util.Base64;
import java.util.Map;
import javax.servlet.annotation.WebServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Json;
import restward.standin.Wiki;
import restward.standin.state.ApplicationLinks.Consumer;

/** The second provisioning call: consumer key and public key. For a generic link its 2LO flags change nothing. */
@WebServlet("/rest/applinks-oauth/1.0/applicationlink/*")
public final class ApplicationLinkConsumerServlet extends WikiServlet {
    @Override
    protected void answer(Wiki wiki, HttpServletRequest request, HttpServletResponse response) throws IOException {
        if (!Access.isSystemAdministrator(request, response)) {
            return;
        }
        String[] path = segments(request);
        boolean known = path.length == 3 && path[1].equals("authentication") && path[2].equals("consumer")
                && wiki.links().find(path[0]) != null;
        if (!known) {
            response.sendError(HttpServletResponse.SC_NOT_FOUND);
        } else if (request.getMethod().equals("PUT")) {
            put(wiki, path[0], request, response);
        } else {
            methodNotAllowed(response);
        }
    }

    private static void put(Wiki wiki, String id, HttpServletRequest request, HttpServletResponse response)
            throws IOException {
        Map<String, Object> body = Json.read(request, response);
        if (body == null) {
            return;
        }
        String key = Json.text(body, "key");
        String name = Json.text(body, "name");
        String publicKey = publicKey(Json.text(body, "publicKey"));
        if (key == null || key.isEmpty() || name == null || publicKey == null || Boolean.TRUE.equals(body.get("outgoing"))) {
            Json.sendError(response, HttpServletResponse.SC_BAD_REQUEST,
                    "key, name and a publicKey in X.509 form are required, and outgoing must be false");
            return;
        }
        wiki.links().setConsumer(id, new Consumer(key, name, publicKey));
        ApplicationLinkServlet.created(response, request, wiki.settings().baseUrl()
                + "/rest/applinks-oauth/1.0/applicationlink/" + id + "/authentication/consumer");
    }

    /** The key as plain base64, whether it came with PEM armour or without; null when it is no RSA public key. */
    private static String publicKey(String text) {
        if (text == null) {
            return null;
        }
        String base64 = text.replaceAll("-----[A-Z ]+-----", "").replaceAll("\\s", "");
        try {
            KeyFactory.getInstance("RSA").generatePublic(new X509EncodedKeySpec(Base64.getDecoder().decode(base64)));
            return base64;
        } catch (IllegalArgumentException | GeneralSecurityException notAKey) {
            return null;
        }
    }
}
