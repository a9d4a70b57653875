package restward.standin;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** What an environment variable can change about the stand-in. Read once, at start. */
public record Settings(
        boolean anonymousAccess,
        boolean passwordParametersAnywhere,
        boolean rewritesAsSent,
        int captchaAfter,
        boolean webSudoForTokens,
        String adminPat,
        String oauth2Key,
        String believedHeader,
        String baseUrl,
        List<String> corsOrigins,
        Path usersFile,
        Path database) {

    public static Settings fromEnvironment(Map<String, String> env) {
        String users = env.get("STANDIN_USERS");
        return new Settings(
                Boolean.parseBoolean(env.getOrDefault("STANDIN_ANONYMOUS", "false")),
                passwordParametersAnywhere(env.getOrDefault("STANDIN_PARAMETER_LOGIN", "any")),
                env.getOrDefault("STANDIN_REWRITE", "mapped").equals("sent"),
                Integer.parseInt(env.getOrDefault("STANDIN_CAPTCHA_AFTER", "0")),
                Boolean.parseBoolean(env.getOrDefault("STANDIN_WEBSUDO_FOR_TOKENS", "false")),
                env.get("STANDIN_ADMIN_PAT"),
                env.getOrDefault("STANDIN_OAUTH2_KEY", "only-a-test-key-of-the-stand-in!"),
                env.get("STANDIN_BELIEVED_HEADER"),
                env.getOrDefault("STANDIN_BASE_URL", "http://localhost:8090/confluence"),
                List.of(env.getOrDefault("STANDIN_CORS_ORIGINS", "https://app.example.test").split(",")),
                users == null ? null : Path.of(users),
                Path.of(env.getOrDefault("STANDIN_DATABASE", "/var/atlassian/application-data/confluence/database")));
    }

    /**
     * Older versions take os_username/os_password on any URL, late 8.x only as a POST to the login URL.
     * "any" is the default because it is the harder case for whoever wants to refuse passwords.
     */
    private static boolean passwordParametersAnywhere(String value) {
        return switch (value) {
            case "any" -> true;
            case "login" -> false;
            default -> throw new IllegalArgumentException("STANDIN_PARAMETER_LOGIN is 'any' or 'login', not " + value);
        };
    }
}
