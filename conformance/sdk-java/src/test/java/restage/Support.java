package restage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.awscore.retry.AwsRetryStrategy;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.ivsrealtime.IvsRealTimeClient;

/** Clients of the server under test, a publisher that is not of this SDK, and waiting for a state. */
final class Support {
  private static final Duration WAIT = Duration.ofSeconds(20);
  private static final Duration POLL = Duration.ofMillis(50);

  private Support() {}

  /** A client that does not retry, so that no error stays unseen. */
  static IvsRealTimeClient client(String url, String region, String accessKeyId, String secretAccessKey) {
    var keys = AwsBasicCredentials.create(accessKeyId, secretAccessKey);
    return IvsRealTimeClient.builder()
        .endpointOverride(URI.create(url))
        .region(Region.of(region))
        .credentialsProvider(StaticCredentialsProvider.create(keys))
        .httpClientBuilder(UrlConnectionHttpClient.builder())
        .overrideConfiguration(settings -> settings.retryStrategy(AwsRetryStrategy.doNotRetry()))
        .build();
  }

  /** A publisher in a process of its own. */
  static final class Publisher implements AutoCloseable {
    private final Process process;

    /** Returns when media can flow. */
    Publisher(String token) throws IOException {
      process = new ProcessBuilder(System.getenv("SDK_PYTHON"), "-m", "support.publish", token)
          .directory(new File(System.getenv("SDK_PYTHON_DIR")))
          .redirectError(ProcessBuilder.Redirect.INHERIT)
          .start();
      var lines = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
      var line = lines.readLine();
      if (!"published".equals(line)) {
        process.destroyForcibly();
      }
      assertEquals("published", line, "what the publisher says");
    }

    /** It leaves as a well-behaved client does. */
    @Override
    public void close() throws IOException {
      process.getOutputStream().close();
      try {
        if (!process.waitFor(WAIT.toSeconds(), TimeUnit.SECONDS)) {
          process.destroyForcibly();
        }
      } catch (InterruptedException interrupted) {
        process.destroyForcibly();
        Thread.currentThread().interrupt();
      }
    }
  }

  /** Waits until the check is true. */
  static void eventually(String what, BooleanSupplier check) throws InterruptedException {
    var end = Instant.now().plus(WAIT);
    while (!check.getAsBoolean()) {
      assertTrue(Instant.now().isBefore(end), "not within " + WAIT + ": " + what);
      Thread.sleep(POLL.toMillis());
    }
  }
}
