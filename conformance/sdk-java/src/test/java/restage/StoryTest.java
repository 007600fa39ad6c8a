package restage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;
import software.amazon.awssdk.services.ivsrealtime.IvsRealTimeClient;
import software.amazon.awssdk.services.ivsrealtime.model.ConflictException;
import software.amazon.awssdk.services.ivsrealtime.model.Event;
import software.amazon.awssdk.services.ivsrealtime.model.EventName;
import software.amazon.awssdk.services.ivsrealtime.model.ListParticipantReplicasRequest;
import software.amazon.awssdk.services.ivsrealtime.model.ParticipantProtocol;
import software.amazon.awssdk.services.ivsrealtime.model.Participant;
import software.amazon.awssdk.services.ivsrealtime.model.ParticipantReplica;
import software.amazon.awssdk.services.ivsrealtime.model.ParticipantState;
import software.amazon.awssdk.services.ivsrealtime.model.ParticipantTokenCapability;
import software.amazon.awssdk.services.ivsrealtime.model.ReplicationState;
import software.amazon.awssdk.services.ivsrealtime.model.ReplicationType;
import software.amazon.awssdk.services.ivsrealtime.model.ResourceNotFoundException;
import software.amazon.awssdk.services.ivsrealtime.model.ValidationException;

/** Publishes, replicates, pages, reads the history, and ends it all. conformance/agreement starts the server for it. */
@EnabledIfEnvironmentVariable(named = "SDK_URL", matches = ".+")
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class StoryTest {
  private static final int DESTINATIONS = 7;

  private static IvsRealTimeClient ivs;
  private static Support.Publisher publisher;
  private static String source;
  private static String session;
  private static String participant;
  private static final List<String> destinations = new ArrayList<>();

  @BeforeAll
  static void begin() throws Exception {
    ivs = Support.client(
        System.getenv("SDK_URL"),
        System.getenv("SDK_REGION"),
        System.getenv("SDK_ACCESS_KEY_ID"),
        System.getenv("SDK_SECRET_ACCESS_KEY"));
    source = newStage("source");
    var token = ivs.createParticipantToken(wishes -> wishes
        .stageArn(source)
        .userId("ann")
        .duration(30)
        .attributes(Map.of("role", "host"))
        .capabilities(ParticipantTokenCapability.PUBLISH)).participantToken();
    var lives = Duration.between(Instant.now(), token.expirationTime());
    assertTrue(lives.toMinutes() >= 29 && lives.toMinutes() <= 30, "a token for 30 minutes lives " + lives);
    participant = token.participantId();
    publisher = new Support.Publisher(token.token());
    Support.eventually("ann publishes", () -> {
      session = ivs.getStage(asked -> asked.arn(source)).stage().activeSessionId();
      return session != null && person().published();
    });
    for (var index = 0; index < DESTINATIONS; index++) {
      destinations.add(newStage("destination-" + index));
      start(destinations.get(index));
    }
  }

  @AfterAll
  static void end() throws Exception {
    if (publisher != null) {
      publisher.close();
    }
    ivs.close();
  }

  private static String newStage(String name) {
    return ivs.createStage(wishes -> wishes.name(name)).stage().arn();
  }

  private static void start(String destination) {
    ivs.startParticipantReplication(wishes -> wishes
        .sourceStageArn(source)
        .destinationStageArn(destination)
        .participantId(participant)
        .reconnectWindowSeconds(60)
        .attributes(Map.of("role", "guest")));
  }

  private static void stop(String destination) {
    ivs.stopParticipantReplication(wishes ->
        wishes.sourceStageArn(source).destinationStageArn(destination).participantId(participant));
  }

  private static Participant person() {
    return ivs.getParticipant(asked ->
        asked.stageArn(source).sessionId(session).participantId(participant)).participant();
  }

  private static ListParticipantReplicasRequest asked(Integer pageSize, String from) {
    return ListParticipantReplicasRequest.builder()
        .sourceStageArn(source)
        .participantId(participant)
        .maxResults(pageSize)
        .nextToken(from)
        .build();
  }

  /** Walks the list with the SDK's own paginator. */
  private static List<ParticipantReplica> replicas(Integer pageSize, String from) {
    var found = new ArrayList<ParticipantReplica>();
    for (var page : ivs.listParticipantReplicasPaginator(asked(pageSize, from))) {
      assertTrue(pageSize == null || page.replicas().size() <= pageSize, "a page of more than " + pageSize);
      found.addAll(page.replicas());
    }
    return found;
  }

  private static List<String> places(List<ParticipantReplica> replicas) {
    return replicas.stream().map(ParticipantReplica::destinationStageArn).toList();
  }

  @Test
  @Order(1)
  void theParticipant() {
    var ann = person();
    assertEquals("ann", ann.userId());
    assertEquals(ParticipantState.CONNECTED, ann.state());
    assertEquals(ParticipantProtocol.WHIP, ann.protocol());
    assertEquals(ReplicationType.SOURCE, ann.replicationType());
    assertEquals(Map.of("role", "host"), ann.attributes());
    assertTrue(Duration.between(ann.firstJoinTime(), Instant.now()).toHours() < 1);
  }

  @Test
  @Order(2)
  void theReplica() {
    var there = ivs.getStage(asked -> asked.arn(destinations.get(3))).stage();
    var listed = ivs.listParticipantsPaginator(asked ->
        asked.stageArn(there.arn()).sessionId(there.activeSessionId()).maxResults(1));
    var people = listed.stream().flatMap(page -> page.participants().stream()).toList();
    assertEquals(1, people.size());
    var replica = people.get(0);
    assertEquals(participant, replica.participantId());
    assertEquals(ReplicationType.REPLICA, replica.replicationType());
    assertEquals(ReplicationState.ACTIVE, replica.replicationState());
    assertEquals(source, replica.sourceStageArn());
    assertEquals(session, replica.sourceSessionId());
  }

  @Test
  @Order(3)
  void pagesOfAnySize() {
    for (var pageSize : new Integer[] {null, 1, 2, 3, DESTINATIONS, 50}) {
      assertEquals(destinations, places(replicas(pageSize, null)), "in pages of " + pageSize);
    }
    var pages = ivs.listParticipantReplicasPaginator(asked(2, null)).stream().count();
    assertEquals((DESTINATIONS + 1) / 2, pages);
    // A limit over all pages is the stream's: it asks for no page that it does not need.
    var some = ivs.listParticipantReplicasPaginator(asked(2, null)).stream()
        .flatMap(page -> page.replicas().stream()).limit(3).toList();
    assertEquals(destinations.subList(0, 3), places(some));
  }

  @Test
  @Order(4)
  void fromAToken() {
    var first = ivs.listParticipantReplicas(asked(5, null));
    var late = newStage("late");
    start(late);
    var expected = new ArrayList<>(destinations.subList(5, DESTINATIONS));
    expected.add(late);
    assertEquals(expected, places(replicas(1, first.nextToken())));
    stop(late);
    var all = replicas(2, null);
    assertEquals(ReplicationState.STOPPED, all.get(DESTINATIONS).replicationState());
    assertEquals(ReplicationState.ACTIVE, all.get(0).replicationState());
  }

  @Test
  @Order(5)
  void theHistory() {
    List<Event> events = ivs.listParticipantEventsPaginator(asked ->
            asked.stageArn(source).sessionId(session).participantId(participant).maxResults(2)).stream()
        .flatMap(page -> page.events().stream())
        .toList();
    assertEquals(EventName.JOINED, events.get(0).name());
    assertTrue(events.stream().anyMatch(event -> event.name() == EventName.PUBLISH_STARTED));
    var started = events.stream()
        .filter(event -> event.name() == EventName.REPLICATION_STARTED)
        .map(Event::destinationStageArn)
        .toList();
    assertEquals(destinations, started.subList(0, DESTINATIONS));
  }

  @Test
  @Order(6)
  void refusals() {
    assertThrows(ConflictException.class, () -> start(destinations.get(0)));
    assertThrows(ValidationException.class, () -> start(source));
    var idle = newStage("idle");
    assertThrows(ResourceNotFoundException.class, () -> stop(idle));
  }

  @Test
  @Order(7)
  void theEnd() throws Exception {
    publisher.close();
    Support.eventually("ann has left", () -> person().state() == ParticipantState.DISCONNECTED);
    ivs.deleteStage(asked -> asked.arn(source));
    assertThrows(ResourceNotFoundException.class, () -> ivs.getStage(asked -> asked.arn(source)));
  }
}
