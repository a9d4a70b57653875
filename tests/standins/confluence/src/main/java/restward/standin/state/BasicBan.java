package restward.standin.state;

import java.util.List;
import java.util.regex.Pattern;

/** Confluence's own "disable basic authentication" switch; off until somebody turns it on. */
public final class BasicBan {
    /** Paths are inside the application and may hold the wildcards {@code *} and {@code ?}. */
    public record Config(boolean blockRequests, List<String> allowedPaths, List<String> allowedUsers, boolean showWarning) {}

    private volatile Config config = new Config(false, List.of(), List.of(), false);

    public Config config() {
        return config;
    }

    public void configure(Config next) {
        config = next;
    }

    public boolean refuses(String path, String user) {
        Config now = config;
        return now.blockRequests()
                && !now.allowedUsers().contains(user)
                && now.allowedPaths().stream().noneMatch(pattern -> matches(pattern, path));
    }

    private static boolean matches(String pattern, String path) {
        String regex = Pattern.quote(pattern).replace("*", "\\E.*\\Q").replace("?", "\\E.\\Q");
        return path.matches(regex);
    }
}
