package restward.standin.auth;

import java.io.IOException;
import java.util.Map;
import javax.servlet.FilterChain;
import javax.servlet.ServletException;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Json;
import restward.standin.Wiki;

/** The stock "disable basic authentication": 403, and only for the header, never for passwords elsewhere. */
public final class BasicBanFilter extends WikiFilter {
    private static final String MESSAGE = "Basic Authentication has been disabled on this instance.";

    @Override
    protected void filter(Wiki wiki, HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws IOException, ServletException {
        if (BasicCredentials.present(request)
                && wiki.basicBan().refuses(path(request), BasicCredentials.of(request).name())) {
            Json.send(response, HttpServletResponse.SC_FORBIDDEN, Map.of("message", MESSAGE));
            return;
        }
        chain.doFilter(request, response);
    }
}
