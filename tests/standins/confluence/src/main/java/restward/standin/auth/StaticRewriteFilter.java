package restward.standin.auth;

import java.io.IOException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.servlet.FilterChain;
import javax.servlet.RequestDispatcher;
import javax.servlet.ServletException;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Wiki;

/**
 * {@code /s/<cache keys>/_/<path>} is {@code /<path>} under a name that browsers may cache for ever. Which path the rule
 * looks at is not known of Confluence, so both can be had: the one that Tomcat maps, and the one in the request line,
 * decoded as UrlRewriteFilter decodes it.
 */
public final class StaticRewriteFilter extends WikiFilter {
    private static final String MARK = "/_/";
    private static final Pattern RULE = Pattern.compile("^/s/(.*)/_/((?i)(?!WEB-INF).*)");

    @Override
    protected void filter(Wiki wiki, HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws IOException, ServletException {
        if (wiki.settings().rewritesAsSent()) {
            Matcher rule = RULE.matcher(asSent(request));
            if (rule.find()) {
                forward("/" + rule.group(2), request, response);
            } else {
                chain.doFilter(request, response);
            }
            return;
        }
        String path = path(request);
        int mark = path.indexOf(MARK);
        if (mark < 0) {
            chain.doFilter(request, response);
            return;
        }
        forward("/" + path.substring(mark + MARK.length()), request, response);
    }

    private static void forward(String to, HttpServletRequest request, HttpServletResponse response)
            throws IOException, ServletException {
        RequestDispatcher dispatcher = request.getRequestDispatcher(to);
        if (dispatcher == null) {
            response.sendError(HttpServletResponse.SC_NOT_FOUND);
        } else {
            dispatcher.forward(request, response);
        }
    }

    private static String asSent(HttpServletRequest request) {
        String path = request.getRequestURI().substring(request.getContextPath().length());
        try {
            return URLDecoder.decode(path, StandardCharsets.UTF_8);
        } catch (IllegalArgumentException unreadable) {
            return path;
        }
    }
}
