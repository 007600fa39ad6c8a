"""Where a client publishes: WHIP with a participant token, or RTMP with the stream key of an ingest configuration."""


def of(client, server, stages, stage):
    """(participant id, URL, token or stream key) for a client that is to publish into a stage."""
    if not client.is_encoder:
        participant, token = stages.token(stage)
        return participant, f"{server.url}/whip", token
    made = stages.ivs.create_ingest_configuration(ingestProtocol="RTMP", insecureIngest=True, stageArn=stage)
    configuration = made["ingestConfiguration"]
    url = stages.ivs.get_stage(arn=stage)["stage"]["endpoints"]["rtmp"]
    return configuration["participantId"], url, configuration["streamKey"]
