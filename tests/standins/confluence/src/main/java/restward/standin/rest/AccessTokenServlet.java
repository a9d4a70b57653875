package restward.standin.rest;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import javax.servlet.annotation.WebServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Json;
import restward.standin.Wiki;
import restward.standin.auth.Login;
import restward.standin.state.AccessTokens;
import restward.standin.state.AccessTokens.Token;
import restward.standin.state.User;

/** Personal access tokens of the caller: list, create, revoke. */
@WebServlet({"/rest/pat/latest/tokens", "/rest/pat/latest/tokens/*"})
public final class AccessTokenServlet extends WikiServlet {
    @Override
    protected void answer(Wiki wiki, HttpServletRequest request, HttpServletResponse response) throws IOException {
        if (!Access.isUser(request, response)) {
            return;
        }
        User owner = Login.of(request).user();
        switch (request.getMethod()) {
            case "GET" -> Json.send(response, HttpServletResponse.SC_OK,
                    wiki.accessTokens().of(owner).stream().map(AccessTokenServlet::describe).toList());
            case "POST" -> create(wiki, owner, request, response);
            case "DELETE" -> revoke(wiki, owner, request, response);
            default -> methodNotAllowed(response);
        }
    }

    private static void create(Wiki wiki, User owner, HttpServletRequest request, HttpServletResponse response)
            throws IOException {
        Map<String, Object> body = Json.read(request, response);
        if (body == null) {
            return;
        }
        String name = Json.text(body, "name");
        Integer days = body.get("expirationDuration") instanceof Integer number ? number : null;
        Token token = name == null ? null : wiki.accessTokens().create(owner, name, days);
        if (token == null) {
            Json.sendError(response, HttpServletResponse.SC_BAD_REQUEST,
                    "A name is required, and a user has at most " + AccessTokens.MAX_PER_USER + " tokens");
            return;
        }
        Map<String, Object> answer = describe(token);
        answer.put("rawToken", token.rawToken());
        Json.send(response, HttpServletResponse.SC_CREATED, answer);
    }

    private static void revoke(Wiki wiki, User owner, HttpServletRequest request, HttpServletResponse response)
            throws IOException {
        String[] path = segments(request);
        boolean revoked = path.length == 1 && path[0].matches("\\d{1,12}")
                && wiki.accessTokens().revoke(owner, Long.parseLong(path[0]));
        response.setStatus(revoked ? HttpServletResponse.SC_NO_CONTENT : HttpServletResponse.SC_NOT_FOUND);
    }

    private static Map<String, Object> describe(Token token) {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("id", token.id());
        shown.put("name", token.name());
        shown.put("createdAt", token.createdAt());
        shown.put("expiringAt", token.expiringAt());
        return shown;
    }
}
