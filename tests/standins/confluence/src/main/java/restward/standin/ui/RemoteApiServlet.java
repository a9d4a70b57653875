package restward.standin.ui;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import javax.servlet.annotation.WebServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Wiki;
import restward.standin.rest.WikiServlet;
import restward.standin.state.Passwords.Reason;

/** The legacy XML-RPC, SOAP and JSON-RPC APIs, of which only the login is of interest: its password is in the body. */
@WebServlet({"/rpc/*", "/plugins/servlet/soap-axis1/*"})
public final class RemoteApiServlet extends WikiServlet {
    private static final Pattern VALUE = Pattern.compile("<value>(?:<string>)?([^<]*)|<in\\d[^>]*>([^<]*)|\"([^\"]*)\"");

    @Override
    protected void answer(Wiki wiki, HttpServletRequest request, HttpServletResponse response) throws IOException {
        String body = new String(request.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        boolean login = body.contains(".login<") || body.contains(":login") || request.getRequestURI().endsWith("/login");
        List<String> values = VALUE.matcher(body).results().map(RemoteApiServlet::firstGroup).toList();
        boolean accepted = login && values.size() >= 2
                && wiki.passwords().check(values.get(0), values.get(1)) == Reason.OK;
        response.setContentType("text/xml;charset=UTF-8");
        // A refusal is a fault in a 200, as XML-RPC has it.
        response.getWriter().write(accepted
                ? "<methodResponse><params><param><value>rpc-token-of-" + values.get(0) + "</value></param></params></methodResponse>"
                : "<methodResponse><fault><value><string>AuthenticationFailedException</string></value></fault></methodResponse>");
    }

    private static String firstGroup(MatchResult match) {
        for (int group = 1; group <= match.groupCount(); group++) {
            if (match.group(group) != null) {
                return match.group(group);
            }
        }
        return "";
    }
}
