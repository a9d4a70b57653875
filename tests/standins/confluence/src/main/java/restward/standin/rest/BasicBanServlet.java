package restward.standin.rest;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import javax.servlet.annotation.WebServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Json;
import restward.standin.Wiki;
import restward.standin.state.BasicBan;

/** The stock switch that refuses Basic. */
@WebServlet("/rest/basicauth/1.0/config")
public final class BasicBanServlet extends WikiServlet {
    @Override
    protected void answer(Wiki wiki, HttpServletRequest request, HttpServletResponse response) throws IOException {
        if (!Access.isSystemAdministrator(request, response)) {
            return;
        }
        switch (request.getMethod()) {
            case "GET" -> Json.send(response, HttpServletResponse.SC_OK, describe(wiki.basicBan().config()));
            case "PUT" -> {
                Map<String, Object> body = Json.read(request, response);
                if (body != null) {
                    wiki.basicBan().configure(parse(body));
                    response.setStatus(HttpServletResponse.SC_NO_CONTENT);
                }
            }
            default -> methodNotAllowed(response);
        }
    }

    private static Map<String, Object> describe(BasicBan.Config config) {
        return Map.of(
                "block-requests", config.blockRequests(),
                "allowed-paths", config.allowedPaths(),
                "allowed-users", config.allowedUsers(),
                "show-warning-message", config.showWarning());
    }

    private static BasicBan.Config parse(Map<String, Object> body) {
        return new BasicBan.Config(
                Boolean.TRUE.equals(body.get("block-requests")),
                strings(body.get("allowed-paths")),
                strings(body.get("allowed-users")),
                Boolean.TRUE.equals(body.get("show-warning-message")));
    }

    private static List<String> strings(Object value) {
        return value instanceof List<?> list ? list.stream().map(String::valueOf).toList() : List.of();
    }
}
