package restward.standin.state;

/** A user of the directory; {@code name} is the directory's own spelling. */
public record User(String name, String password, String fullName, boolean systemAdministrator, boolean disabled) {}
