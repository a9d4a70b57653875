package restward.standin.ui;

import java.io.IOException;
import javax.servlet.http.HttpServletResponse;

/** The few HTML pages of the stand-in. */
final class Html {
    private Html() {}

    static void page(HttpServletResponse response, int status, String title, String body) throws IOException {
        response.setStatus(status);
        response.setContentType("text/html;charset=UTF-8");
        response.getWriter().write("<!DOCTYPE html>\n<html><head><title>" + title + " - Confluence stand-in</title></head>\n"
                + "<body><h1>" + title + "</h1>\n" + body + "\n</body></html>\n");
    }

    static String escape(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\"", "&quot;");
    }
}
