package restward.standin.probe;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import javax.servlet.FilterChain;
import javax.servlet.ServletException;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Wiki;
import restward.standin.auth.Login;
import restward.standin.auth.WikiFilter;

/** Logs every request but those that read the log. Outermost, so refused requests are in it too. */
public final class RequestLogFilter extends WikiFilter {
    @Override
    protected void filter(Wiki wiki, HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws IOException, ServletException {
        if (path(request).equals(RequestsServlet.PATH)) {
            chain.doFilter(request, response);
            return;
        }
        wiki.requestLog().begin();
        try {
            chain.doFilter(request, response);
        } finally {
            try {
                add(wiki.requestLog(), request, response);
            } finally {
                wiki.requestLog().end();
            }
        }
    }

    private static void add(RequestLog log, HttpServletRequest request, HttpServletResponse response) {
        Login login = Login.of(request);
        log.add(
                request.getMethod(), request.getRequestURI(), request.getQueryString(), headers(request),
                Map.copyOf(request.getParameterMap()), login.kind().label, login.isUser() ? login.user().name() : null, response.getStatus());
    }

    /** Name and value pairs in the order received; Tomcat gives names in lower case and repeated ones together. */
    static List<List<String>> headers(HttpServletRequest request) {
        List<List<String>> headers = new ArrayList<>();
        for (String name : Collections.list(request.getHeaderNames())) {
            for (String value : Collections.list(request.getHeaders(name))) {
                headers.add(List.of(name, value));
            }
        }
        return headers;
    }
}
