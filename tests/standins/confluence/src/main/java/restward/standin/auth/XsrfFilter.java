package restward.standin.auth;

import java.io.IOException;
import java.net.URI;
import java.util.Locale;
import javax.servlet.FilterChain;
import javax.servlet.ServletException;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Wiki;

/**
 * Cross-site request forgery rules of the REST API: a browser's POST must come from the same origin, and a POST that a
 * plain HTML form could make needs {@code X-Atlassian-Token: no-check}. The stand-in's own test paths are exempt.
 */
public final class XsrfFilter extends WikiFilter {
    @Override
    protected void filter(Wiki wiki, HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws IOException, ServletException {
        boolean checked = request.getMethod().equals("POST") && !path(request).startsWith("/rest/standin/");
        if (checked && (foreignBrowser(wiki, request) || formWithoutToken(request))) {
            response.sendError(HttpServletResponse.SC_FORBIDDEN, "XSRF check failed");
            return;
        }
        chain.doFilter(request, response);
    }

    private static boolean foreignBrowser(Wiki wiki, HttpServletRequest request) {
        String userAgent = request.getHeader("User-Agent");
        if (userAgent == null || !userAgent.startsWith("Mozilla/")) {
            return false;
        }
        String origin = request.getHeader("Origin");
        String source = origin != null ? origin : request.getHeader("Referer");
        if (source == null) {
            return true;
        }
        String ours = originOf(request.getRequestURL().toString());
        return !originOf(source).equals(ours) && !wiki.settings().corsOrigins().contains(origin);
    }

    private static String originOf(String url) {
        try {
            URI uri = URI.create(url);
            return uri.getScheme() + "://" + uri.getRawAuthority();
        } catch (IllegalArgumentException unreadable) {
            return "";
        }
    }

    private static boolean formWithoutToken(HttpServletRequest request) {
        String type = request.getContentType();
        String media = type == null ? "" : type.split(";")[0].trim().toLowerCase(Locale.ROOT);
        boolean form = switch (media) {
            case "", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain" -> true;
            default -> false;
        };
        String token = request.getHeader("X-Atlassian-Token");
        return form && !"no-check".equals(token) && !"nocheck".equals(token);
    }
}
