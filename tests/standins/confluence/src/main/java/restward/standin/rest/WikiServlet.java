package restward.standin.rest;

import java.io.IOException;
import javax.servlet.http.HttpServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Wiki;

/** A servlet that knows the wiki and answers any method in one place. */
public abstract class WikiServlet extends HttpServlet {
    /** Test only: under which mapping Tomcat found the servlet, also behind a forward. */
    private static final String SERVED = "X-Standin-Served";

    protected abstract void answer(Wiki wiki, HttpServletRequest request, HttpServletResponse response)
            throws IOException, javax.servlet.ServletException;

    @Override
    protected final void service(HttpServletRequest request, HttpServletResponse response)
            throws IOException, javax.servlet.ServletException {
        response.setHeader(SERVED, request.getServletPath());
        answer(Wiki.of(getServletContext()), request, response);
    }

    /** What follows the servlet's own path, split at slashes, without empty parts. */
    protected static String[] segments(HttpServletRequest request) {
        String info = request.getPathInfo();
        return info == null || info.equals("/") ? new String[0] : info.substring(1).split("/");
    }

    protected static void methodNotAllowed(HttpServletResponse response) throws IOException {
        response.sendError(HttpServletResponse.SC_METHOD_NOT_ALLOWED);
    }
}
