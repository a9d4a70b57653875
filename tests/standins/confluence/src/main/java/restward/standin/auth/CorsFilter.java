package restward.standin.auth;

import java.io.IOException;
import javax.servlet.FilterChain;
import javax.servlet.ServletException;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Wiki;

/** Cross-origin calls to the REST API from the allow-listed origins; preflights need no login. */
public final class CorsFilter extends WikiFilter {
    @Override
    protected void filter(Wiki wiki, HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws IOException, ServletException {
        String origin = request.getHeader("Origin");
        boolean allowed = origin != null && wiki.settings().corsOrigins().contains(origin);
        if (allowed) {
            response.setHeader("Access-Control-Allow-Origin", origin);
            response.setHeader("Access-Control-Allow-Credentials", "true");
            response.addHeader("Vary", "Origin");
        }
        String method = request.getHeader("Access-Control-Request-Method");
        if (allowed && method != null && request.getMethod().equals("OPTIONS")) {
            response.setHeader("Access-Control-Allow-Methods", method);
            String headers = request.getHeader("Access-Control-Request-Headers");
            if (headers != null) {
                response.setHeader("Access-Control-Allow-Headers", headers);
            }
            response.setHeader("Access-Control-Max-Age", "3600");
            return;
        }
        chain.doFilter(request, response);
    }
}
