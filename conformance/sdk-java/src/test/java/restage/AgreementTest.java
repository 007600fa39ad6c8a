package restage;

import static org.junit.jupiter.api.Assertions.fail;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;
import software.amazon.awssdk.core.SdkPojo;
import software.amazon.awssdk.core.SdkField;
import software.amazon.awssdk.core.pagination.sync.SdkIterable;
import software.amazon.awssdk.protocols.jsoncore.JsonNode;
import software.amazon.awssdk.protocols.jsoncore.JsonNodeParser;
import software.amazon.awssdk.services.ivsrealtime.IvsRealTimeClient;
import software.amazon.awssdk.services.ivsrealtime.model.CreateParticipantTokenResponse;
import software.amazon.awssdk.services.ivsrealtime.model.IvsRealTimeException;
import software.amazon.awssdk.utils.builder.SdkBuilder;

/** What this SDK sees of the task that all five are given: conformance/agreement/README.md. */
@EnabledIfEnvironmentVariable(named = "AGREEMENT_TASK", matches = ".+")
class AgreementTest {
  private static final String MODEL = "software.amazon.awssdk.services.ivsrealtime.model.";

  private final Map<String, Object> report = new LinkedHashMap<>();
  private JsonNode task;
  private IvsRealTimeClient ivs;

  @Test
  void doesTheTask() throws Exception {
    task = JsonNodeParser.create().parse(Files.readString(Path.of(System.getenv("AGREEMENT_TASK"))));
    ivs = client(task);
    var errors = new LinkedHashMap<String, Object>();
    for (var wanted : array(task, "errors")) {
      errors.put(text(wanted, "name"), refusal(wanted));
    }
    report.put("errors", errors);
    walkAll();
    report.put("token", participantToken());
    Files.writeString(Path.of(System.getenv("AGREEMENT_REPORT")), Json.write(report));
  }

  private IvsRealTimeClient client(JsonNode keys) {
    return Support.client(
        text(task, "url"), text(task, "region"), text(keys, "accessKeyId"), text(keys, "secretAccessKey"));
  }

  private Map<String, Object> refusal(JsonNode wanted) throws ReflectiveOperationException {
    var at = member(wanted, "keys") == null ? ivs : client(member(wanted, "keys"));
    var tries = member(wanted, "repeat") == null ? 1 : number(wanted, "repeat");
    for (var count = 0; count < tries; count++) {
      try {
        call(at, text(wanted, "operation"), request(wanted, Map.of()));
      } catch (IvsRealTimeException error) {
        return Map.of(
            "code", error.awsErrorDetails().errorCode(),
            "status", error.statusCode(),
            "message", error.awsErrorDetails().errorMessage(),
            "hasRequestId", error.requestId() != null && !error.requestId().isEmpty(),
            "hasClass", error.getClass() != IvsRealTimeException.class);
      }
    }
    return fail(text(wanted, "name") + ": not refused");
  }

  private void walkAll() throws ReflectiveOperationException {
    var walks = new LinkedHashMap<String, Object>();
    var tokens = new LinkedHashMap<String, Object>();
    var resumed = new LinkedHashMap<String, Object>();
    for (var wanted : array(task, "walks")) {
      var name = text(wanted, "name");
      for (var size : array(wanted, "pageSizes")) {
        var pageSize = Integer.parseInt(size.asNumber());
        walks.put(name + " by " + pageSize, ids(wanted, pageSize, null).toList());
      }
      var limit = number(wanted, "maxItems");
      walks.put(name + " up to a limit", ids(wanted, 2, null).limit(limit).toList());
      var page = (SdkPojo) call(ivs, text(wanted, "operation"), request(wanted, Map.of("maxResults", 2)));
      tokens.put(name, field(page, "nextToken"));
      var others = new LinkedHashMap<String, Object>();
      for (var other : member(task, "tokens").asObject().entrySet()) {
        others.put(other.getKey(), ids(wanted, 3, text(other.getValue(), name)).toList());
      }
      resumed.put(name, others);
    }
    report.putAll(Map.of("walks", walks, "tokens", tokens, "resumed", resumed));
  }

  /** Ids of all items, through the SDK's paginator, which asks for a page when the stream wants one. */
  private Stream<String> ids(JsonNode wanted, int pageSize, String from) throws ReflectiveOperationException {
    var more = new LinkedHashMap<String, Object>();
    if (pageSize > 0) {
      more.put("maxResults", pageSize);
    }
    if (from != null) {
      more.put("nextToken", from);
    }
    var pages = (SdkIterable<?>) call(ivs, text(wanted, "operation") + "Paginator", request(wanted, more));
    return pages.stream()
        .flatMap(page -> ((List<?>) field((SdkPojo) page, text(wanted, "items"))).stream())
        .map(item -> String.valueOf(field((SdkPojo) item, text(wanted, "id"))));
  }

  private Map<String, Object> participantToken() throws ReflectiveOperationException {
    var wishes = fill(MODEL + "CreateParticipantTokenRequest", plain(member(task, "token")));
    var made = ((CreateParticipantTokenResponse) call(ivs, "CreateParticipantToken", wishes)).participantToken();
    var payload = Base64.getUrlDecoder().decode(made.token().split("\\.")[1]);
    var claims = JsonNodeParser.create().parse(new String(payload, StandardCharsets.UTF_8));
    return Map.of(
        "userId", made.userId(),
        "duration", made.duration(),
        "attributes", made.attributes(),
        "capabilities", made.capabilitiesAsStrings(),
        "isItsId", text(claims, "jti").equals(made.participantId()),
        "expiresAtClaim", Instant.ofEpochSecond(number(claims, "exp")).equals(made.expirationTime()));
  }

  /** Calls an operation, or its paginator, by name. */
  private static Object call(IvsRealTimeClient ivs, String operation, Object request)
      throws ReflectiveOperationException {
    var name = Character.toLowerCase(operation.charAt(0)) + operation.substring(1);
    Method method = IvsRealTimeClient.class.getMethod(name, request.getClass());
    try {
      return method.invoke(ivs, request);
    } catch (InvocationTargetException thrown) {
      if (thrown.getCause() instanceof RuntimeException error) {
        throw error;
      }
      throw thrown;
    }
  }

  private static Object request(JsonNode wanted, Map<String, Object> more) throws ReflectiveOperationException {
    var values = new LinkedHashMap<>(plain(member(wanted, "input")));
    values.putAll(more);
    return fill(MODEL + text(wanted, "operation") + "Request", values);
  }

  /** Builds a request of a class from values by their names on the wire. */
  private static Object fill(String type, Map<String, Object> values) throws ReflectiveOperationException {
    var builder = (SdkPojo) Class.forName(type).getMethod("builder").invoke(null);
    for (SdkField<?> known : builder.sdkFields()) {
      if (values.containsKey(known.locationName())) {
        known.set(builder, values.get(known.locationName()));
      }
    }
    return ((SdkBuilder<?, ?>) builder).build();
  }

  private static Object field(SdkPojo of, String name) {
    return of.sdkFields().stream()
        .filter(known -> known.locationName().equals(name))
        .findFirst()
        .orElseThrow()
        .getValueOrDefault(of);
  }

  private static Map<String, Object> plain(JsonNode object) {
    var values = new LinkedHashMap<String, Object>();
    object.asObject().forEach((name, value) -> values.put(name, plainValue(value)));
    return values;
  }

  private static Object plainValue(JsonNode value) {
    if (value.isObject()) {
      return plain(value);
    }
    if (value.isArray()) {
      return value.asArray().stream().map(AgreementTest::plainValue).collect(Collectors.toCollection(ArrayList::new));
    }
    return value.isNumber() ? (Object) Integer.valueOf(value.asNumber()) : value.asString();
  }

  private static JsonNode member(JsonNode of, String name) {
    return of.field(name).orElse(null);
  }

  private static List<JsonNode> array(JsonNode of, String name) {
    return member(of, name).asArray();
  }

  private static String text(JsonNode of, String name) {
    return member(of, name).asString();
  }

  private static int number(JsonNode of, String name) {
    return Integer.parseInt(member(of, name).asNumber());
  }
}
