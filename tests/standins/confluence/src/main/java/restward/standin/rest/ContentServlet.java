package restward.standin.rest;

import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import javax.servlet.ServletException;
import javax.servlet.annotation.MultipartConfig;
import javax.servlet.annotation.WebServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import javax.servlet.http.Part;
import restward.standin.Json;
import restward.standin.Wiki;
import restward.standin.auth.Login;
import restward.standin.state.Contents.Page;

/** {@code /rest/api/content}: list, read, create and remove pages, upload attachments. */
@WebServlet({"/rest/api/content", "/rest/api/content/*"})
@MultipartConfig(fileSizeThreshold = 64 * 1024)
public final class ContentServlet extends WikiServlet {
    @Override
    protected void answer(Wiki wiki, HttpServletRequest request, HttpServletResponse response)
            throws IOException, ServletException {
        if (!Access.mayRead(wiki, request, response)) {
            return;
        }
        String[] path = segments(request);
        String route = request.getMethod() + " " + path.length;
        switch (route) {
            case "GET 0" -> list(wiki, request, response);
            case "POST 0" -> create(wiki, request, response);
            case "GET 1" -> read(wiki, path[0], response);
            case "DELETE 1" -> remove(wiki, path[0], response);
            case "POST 3" -> attach(wiki, path, request, response);
            default -> response.sendError(HttpServletResponse.SC_NOT_FOUND);
        }
    }

    private static void list(Wiki wiki, HttpServletRequest request, HttpServletResponse response) throws IOException {
        List<Page> all = wiki.contents().pages();
        int start = Math.min(number(request, "start", 0), all.size());
        int end = Math.min(start + number(request, "limit", 25), all.size());
        Map<String, Object> links = new LinkedHashMap<>(Map.of("base", wiki.settings().baseUrl()));
        if (end < all.size()) {
            links.put("next", nextLink(request, end));
        }
        List<Map<String, Object>> results = all.subList(start, end).stream().map(ContentServlet::describe).toList();
        Json.send(response, HttpServletResponse.SC_OK,
                Map.of("results", results, "start", start, "size", results.size(), "_links", links));
    }

    /** Copies every query parameter but its own two, as Confluence does: signed-in ones come back to the client. */
    private static String nextLink(HttpServletRequest request, int start) {
        List<String> query = new ArrayList<>();
        request.getParameterMap().forEach((name, values) -> {
            for (String value : name.equals("start") ? new String[0] : values) {
                query.add(encode(name) + "=" + encode(value));
            }
        });
        query.add("start=" + start);
        return "/rest/api/content?" + String.join("&", query);
    }

    private static void create(Wiki wiki, HttpServletRequest request, HttpServletResponse response) throws IOException {
        Map<String, Object> body = Json.read(request, response);
        if (body == null) {
            return;
        }
        String title = Json.text(body, "title");
        if (title == null) {
            Json.sendError(response, HttpServletResponse.SC_BAD_REQUEST, "A title is required");
            return;
        }
        Login login = Login.of(request);
        Page page = wiki.contents().add(title, login.isUser() ? login.user().name() : "Anonymous");
        Json.send(response, HttpServletResponse.SC_OK, describe(page));
    }

    private static void read(Wiki wiki, String id, HttpServletResponse response) throws IOException {
        Page page = wiki.contents().find(id);
        if (page == null) {
            Json.sendError(response, HttpServletResponse.SC_NOT_FOUND, "No content found with id: " + id);
            return;
        }
        Json.send(response, HttpServletResponse.SC_OK, describe(page));
    }

    private static void remove(Wiki wiki, String id, HttpServletResponse response) {
        response.setStatus(wiki.contents().remove(id) ? HttpServletResponse.SC_NO_CONTENT : HttpServletResponse.SC_NOT_FOUND);
    }

    /** {@code POST /rest/api/content/<id>/child/attachment}, multipart with a part named {@code file}. */
    private static void attach(Wiki wiki, String[] path, HttpServletRequest request, HttpServletResponse response)
            throws IOException, ServletException {
        Page page = wiki.contents().find(path[0]);
        if (page == null || !path[1].equals("child") || !path[2].equals("attachment")) {
            response.sendError(HttpServletResponse.SC_NOT_FOUND);
            return;
        }
        Part file = request.getPart("file");
        String name = file == null ? null : file.getSubmittedFileName();
        if (name == null || !name.matches("[\\w.-]*\\w[\\w.-]*")) {
            Json.sendError(response, HttpServletResponse.SC_BAD_REQUEST, "A part 'file' with a plain file name is required");
            return;
        }
        long size = wiki.contents().store(page, name, file.getInputStream());
        file.delete();
        Map<String, Object> attachment = Map.of(
                "title", name,
                "extensions", Map.of("fileSize", size),
                "_links", Map.of("download", "/download/attachments/" + page.id() + "/" + name));
        Json.send(response, HttpServletResponse.SC_OK, Map.of("results", List.of(attachment), "size", 1));
    }

    private static Map<String, Object> describe(Page page) {
        return Map.of(
                "id", Long.toString(page.id()),
                "type", "page",
                "status", "current",
                "title", page.title(),
                "history", Map.of("createdBy", Map.of("username", page.creator())));
    }

    private static int number(HttpServletRequest request, String name, int whenAbsent) {
        String value = request.getParameter(name);
        return value != null && value.matches("\\d{1,6}") ? Integer.parseInt(value) : whenAbsent;
    }

    private static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }
}
