package restward.standin.auth;

import java.io.IOException;
import javax.servlet.FilterChain;
import javax.servlet.ServletException;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Wiki;

/** {@code /s/<cache keys>/_/<path>} is {@code /<path>} under a name that browsers may cache for ever. */
public final class StaticRewriteFilter extends WikiFilter {
    private static final String MARK = "/_/";

    @Override
    protected void filter(Wiki wiki, HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws IOException, ServletException {
        String path = path(request);
        int mark = path.indexOf(MARK);
        if (mark < 0) {
            chain.doFilter(request, response);
            return;
        }
        request.getRequestDispatcher("/" + path.substring(mark + MARK.length())).forward(request, response);
    }
}
