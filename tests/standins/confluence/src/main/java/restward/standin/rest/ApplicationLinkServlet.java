package restward.standin.rest;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import javax.servlet.annotation.WebServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Json;
import restward.standin.Wiki;
import restward.standin.state.ApplicationLinks.Link;

/** Application links: create (the first of the three provisioning calls), list, delete. */
@WebServlet({"/rest/applinks/3.0/applicationlink", "/rest/applinks/3.0/applicationlink/*", "/rest/applinks/latest/listApplicationlinks"})
public final class ApplicationLinkServlet extends WikiServlet {
    @Override
    protected void answer(Wiki wiki, HttpServletRequest request, HttpServletResponse response) throws IOException {
        if (!Access.isSystemAdministrator(request, response)) {
            return;
        }
        boolean list = request.getServletPath().endsWith("/listApplicationlinks");
        switch (request.getMethod()) {
            case "GET" -> get(wiki, list, request, response);
            case "PUT" -> create(wiki, request, response);
            case "DELETE" -> delete(wiki, request, response);
            default -> methodNotAllowed(response);
        }
    }

    private static void get(Wiki wiki, boolean list, HttpServletRequest request, HttpServletResponse response)
            throws IOException {
        String[] path = segments(request);
        if (list) {
            List<Map<String, Object>> links = wiki.links().all().stream()
                    .map(link -> Map.<String, Object>of("application", describe(link)))
                    .toList();
            Json.send(response, HttpServletResponse.SC_OK, Map.of("list", links));
        } else if (path.length == 1 && wiki.links().find(path[0]) != null) {
            Json.send(response, HttpServletResponse.SC_OK, describe(wiki.links().find(path[0])));
        } else {
            response.sendError(HttpServletResponse.SC_NOT_FOUND);
        }
    }

    private static void create(Wiki wiki, HttpServletRequest request, HttpServletResponse response) throws IOException {
        Map<String, Object> body = Json.read(request, response);
        if (body == null) {
            return;
        }
        String name = Json.text(body, "name");
        String type = Json.text(body, "typeId");
        String rpcUrl = Json.text(body, "rpcUrl");
        if (name == null || rpcUrl == null || !"generic".equals(type)) {
            Json.sendError(response, HttpServletResponse.SC_BAD_REQUEST, "name, rpcUrl and typeId 'generic' are required");
            return;
        }
        Link link = wiki.links().create(name, type, rpcUrl, Json.text(body, "displayUrl"));
        created(response, request, wiki.settings().baseUrl() + "/rest/applinks/3.0/applicationlink/" + link.id());
    }

    /** The id is only in the address of what was made, and the answer is XML unless the client asks for JSON. */
    static void created(HttpServletResponse response, HttpServletRequest request, String href) throws IOException {
        String accept = request.getHeader("Accept");
        if (accept != null && accept.contains("application/json")) {
            Map<String, String> link = Map.of("href", href, "rel", "self");
            Json.send(response, HttpServletResponse.SC_CREATED, Map.of("status-code", 201, "resources-created", List.of(link)));
            return;
        }
        response.setStatus(HttpServletResponse.SC_CREATED);
        response.setContentType("application/xml;charset=UTF-8");
        response.getWriter().write("<status><status-code>201</status-code><resources-created><link rel=\"self\" href=\""
                + href + "\"/></resources-created></status>");
    }

    private static void delete(Wiki wiki, HttpServletRequest request, HttpServletResponse response) throws IOException {
        String[] path = segments(request);
        boolean deleted = path.length == 1 && wiki.links().delete(path[0]);
        response.setStatus(deleted ? HttpServletResponse.SC_OK : HttpServletResponse.SC_NOT_FOUND);
    }

    private static Map<String, Object> describe(Link link) {
        return Map.of(
                "id", link.id(),
                "name", link.name(),
                "typeId", link.typeId(),
                "rpcUrl", link.rpcUrl(),
                "displayUrl", link.displayUrl() == null ? link.rpcUrl() : link.displayUrl());
    }
}
