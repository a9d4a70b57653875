package restward.standin.rest;

import java.io.IOException;
import java.util.Map;
import javax.servlet.annotation.WebServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Json;
import restward.standin.Wiki;
import restward.standin.state.ApplicationLinks.Link;
import restward.standin.state.ApplicationLinks.OAuthStatus;

/** The third provisioning call, the one people miss: it alone lets two-legged OAuth and impersonation in. */
@WebServlet("/rest/applinks/3.0/status/*")
public final class ApplicationLinkStatusServlet extends WikiServlet {
    @Override
    protected void answer(Wiki wiki, HttpServletRequest request, HttpServletResponse response) throws IOException {
        if (!Access.isSystemAdministrator(request, response)) {
            return;
        }
        String[] path = segments(request);
        Link link = path.length == 2 && path[1].equals("oauth") ? wiki.links().find(path[0]) : null;
        if (link == null) {
            response.sendError(HttpServletResponse.SC_NOT_FOUND);
            return;
        }
        switch (request.getMethod()) {
            case "GET" -> Json.send(response, HttpServletResponse.SC_OK,
                    Map.of("incoming", link.incoming(), "outgoing", link.outgoing()));
            case "PUT" -> put(wiki, link, request, response);
            default -> methodNotAllowed(response);
        }
    }

    private static void put(Wiki wiki, Link link, HttpServletRequest request, HttpServletResponse response)
            throws IOException {
        Map<String, Object> body = Json.read(request, response);
        if (body == null) {
            return;
        }
        wiki.links().setStatus(link.id(), parse(Json.object(body, "incoming")), parse(Json.object(body, "outgoing")));
        response.setStatus(HttpServletResponse.SC_NO_CONTENT);
    }

    private static OAuthStatus parse(Map<String, Object> status) {
        return new OAuthStatus(
                Boolean.TRUE.equals(status.get("enabled")),
                Boolean.TRUE.equals(status.get("twoLoEnabled")),
                Boolean.TRUE.equals(status.get("twoLoImpersonationEnabled")));
    }
}
