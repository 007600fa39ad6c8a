// Pion, WebRTC in Go, as a WHIP publisher and a WHEP viewer: pion publish|watch URL TOKEN VP8|H264
//
// FFmpeg (INTEROP_FFMPEG) makes what is published. A viewer has no decoder: it counts whole pictures from a key frame on.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

const (
	reportEvery   = 100 * time.Millisecond
	keyEvery      = 500 * time.Millisecond
	answerTimeout = 15 * time.Second
	datagramMax   = 2000
)

var encoders = map[string]string{
	"VP8":  "-c:v libvpx -deadline realtime -cpu-used 8 -error-resilient 1",
	"H264": "-c:v libx264 -profile:v baseline -preset ultrafast -tune zerolatency -x264-params repeat-headers=1",
}

// say prints one line for the matrix.
func say(what map[string]any) {
	line, _ := json.Marshal(what)
	fmt.Println(string(line))
}

// session is what a server has made of an offer.
type session struct {
	answer, location, token string
}

// post sends an offer.
func post(target, token, offer string) (*session, error) {
	status, headers, body, err := ask(http.MethodPost, target, token, offer)
	if err != nil {
		return nil, err
	}
	if status != http.StatusCreated {
		return nil, fmt.Errorf("%d: %s", status, body)
	}
	base, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	location, err := base.Parse(headers.Get("Location"))
	if err != nil {
		return nil, err
	}
	return &session{body, location.String(), token}, nil
}

func (s *session) leave() {
	_, _, _, _ = ask(http.MethodDelete, s.location, s.token, "")
}

func ask(method, target, token, body string) (int, http.Header, string, error) {
	request, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		return 0, nil, "", err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		request.Header.Set("Content-Type", "application/sdp")
	}
	client := http.Client{Timeout: answerTimeout}
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, response.Header, string(text), err
}

// sight counts what a viewer has received.
type sight struct {
	lock           sync.Mutex
	codec          string
	frames         int
	changes        int
	sounds         int
	hasKey         bool
	picture, prior []byte
}

func (s *sight) takeVideo(packet *rtp.Packet) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.hasKey = s.hasKey || isKey(s.codec, packet.Payload)
	s.picture = append(s.picture, packet.Payload...)
	if !packet.Marker {
		return
	}
	if s.hasKey {
		s.frames++
		if !bytes.Equal(s.picture, s.prior) {
			s.changes++
		}
	}
	s.picture, s.prior = nil, s.picture
}

func (s *sight) takeAudio(packet *rtp.Packet) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if len(packet.Payload) > 0 {
		s.sounds++
	}
}

func (s *sight) report() map[string]any {
	s.lock.Lock()
	defer s.lock.Unlock()
	return map[string]any{"frames": s.frames, "changes": s.changes, "sounds": s.sounds}
}

// askForKey asks for a key frame until there is one. Pion leaves that to the application.
func askForKey(peer *webrtc.PeerConnection, track *webrtc.TrackRemote, seen *sight) {
	for !seen.isBegun() {
		request := &rtcp.PictureLossIndication{MediaSSRC: uint32(track.SSRC())}
		if peer.WriteRTCP([]rtcp.Packet{request}) != nil {
			return
		}
		time.Sleep(keyEvery)
	}
}

func (s *sight) isBegun() bool {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.hasKey
}

// isKey says whether a key frame begins in this payload: RFC 7741 section 4, RFC 6184 section 5.
func isKey(codec string, payload []byte) bool {
	if codec == "VP8" {
		return isVP8Key(payload)
	}
	const idr, stapA, fuA = 5, 24, 28
	if len(payload) < 2 {
		return false
	}
	switch payload[0] & 0x1f {
	case fuA:
		return payload[1]&0x9f == 0x80|idr
	case stapA:
		for at := 1; at+2 < len(payload); at += 2 + int(payload[at])<<8 + int(payload[at+1]) {
			if payload[at+2]&0x1f == idr {
				return true
			}
		}
		return false
	default:
		return payload[0]&0x1f == idr
	}
}

func isVP8Key(payload []byte) bool {
	at := 1
	if len(payload) > 2 && payload[0]&0x80 != 0 {
		extended := payload[1]
		at = 2
		if extended&0x80 != 0 {
			at++
			if payload[2]&0x80 != 0 {
				at++
			}
		}
		if extended&0x40 != 0 {
			at++
		}
		if extended&0x30 != 0 {
			at++
		}
	}
	return len(payload) > at && payload[0]&0x17 == 0x10 && payload[at]&1 == 0
}

// preferred are the codecs that the offer has: one of video with its retransmissions, or Opus.
func preferred(engine *webrtc.MediaEngine, kind webrtc.RTPCodecType, codec string) error {
	rtx := webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeRTX, ClockRate: 90000, SDPFmtpLine: "apt=96"},
		PayloadType:        97,
	}
	feedback := []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}, {Type: "transport-cc"}}
	video := webrtc.RTPCodecCapability{MimeType: "video/" + codec, ClockRate: 90000, RTCPFeedback: feedback}
	if codec == "H264" {
		video.SDPFmtpLine = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"
	}
	opus := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}
	if kind == webrtc.RTPCodecTypeAudio {
		return engine.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: opus, PayloadType: 111}, kind)
	}
	if err := engine.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: video, PayloadType: 96}, kind); err != nil {
		return err
	}
	return engine.RegisterCodec(rtx, kind)
}

// listen passes packets of a port on to a track.
func listen(track *webrtc.TrackLocalStaticRTP) (int, error) {
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, err
	}
	go func() {
		datagram := make([]byte, datagramMax)
		for {
			length, err := socket.Read(datagram)
			if err != nil {
				return
			}
			_, _ = track.Write(datagram[:length])
		}
	}()
	return socket.LocalAddr().(*net.UDPAddr).Port, nil
}

// makeMedia lets FFmpeg send a moving picture and a tone to the tracks' ports.
func makeMedia(codec string, ports map[string]int) (*exec.Cmd, error) {
	to := func(kind string) string {
		return fmt.Sprintf("-f rtp -payload_type 96 rtp://127.0.0.1:%d?pkt_size=1200", ports[kind])
	}
	words := "-hide_banner -loglevel error -nostdin" +
		" -re -f lavfi -i testsrc2=size=320x240:rate=15 -re -f lavfi -i sine=frequency=440:sample_rate=48000" +
		" -map 0 -pix_fmt yuv420p " + encoders[codec] + " -b:v 400k -g 15 " + to("video") +
		" -map 1 -c:a libopus -ac 2 " + to("audio")
	ffmpeg := exec.Command(os.Getenv("INTEROP_FFMPEG"), strings.Fields(words)...)
	ffmpeg.Stderr = os.Stderr
	return ffmpeg, ffmpeg.Start()
}

// addMedia adds both kinds to a connection; the ports at which a publisher takes packets.
func addMedia(peer *webrtc.PeerConnection, role, codec string) (map[string]int, error) {
	ports := map[string]int{}
	for kind, mime := range map[string]string{"audio": webrtc.MimeTypeOpus, "video": "video/" + codec} {
		if role == "watch" {
			direction := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}
			if _, err := peer.AddTransceiverFromKind(webrtc.NewRTPCodecType(kind), direction); err != nil {
				return nil, err
			}
			continue
		}
		track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: mime}, kind, "stream")
		if err != nil {
			return nil, err
		}
		direction := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}
		if _, err := peer.AddTransceiverFromTrack(track, direction); err != nil {
			return nil, err
		}
		if ports[kind], err = listen(track); err != nil {
			return nil, err
		}
	}
	return ports, nil
}

// connect exchanges descriptions and waits until the connection is there.
func connect(peer *webrtc.PeerConnection, target, token string) (*session, error) {
	states := make(chan webrtc.PeerConnectionState, 8)
	peer.OnConnectionStateChange(func(state webrtc.PeerConnectionState) { states <- state })
	offer, err := peer.CreateOffer(nil)
	if err != nil {
		return nil, err
	}
	gathered := webrtc.GatheringCompletePromise(peer)
	if err := peer.SetLocalDescription(offer); err != nil {
		return nil, err
	}
	<-gathered
	made, err := post(target, token, peer.LocalDescription().SDP)
	if err != nil {
		return nil, err
	}
	answer := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: made.answer}
	if err := peer.SetRemoteDescription(answer); err != nil {
		return nil, err
	}
	for state := range states {
		switch state {
		case webrtc.PeerConnectionStateConnected:
			return made, nil
		case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
			return nil, fmt.Errorf("pion's connection is %s", state)
		}
	}
	return made, nil
}

func run(role, target, token, codec string) error {
	engine := &webrtc.MediaEngine{}
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
		if err := preferred(engine, kind, codec); err != nil {
			return err
		}
	}
	// What Pion does by default: NACK, reports, transport-wide feedback.
	registry := &interceptor.Registry{}
	if err := webrtc.RegisterDefaultInterceptors(engine, registry); err != nil {
		return err
	}
	// Otherwise Pion waits for a first packet, and may miss a stream that begins as soon as the handshake is done.
	settings := webrtc.SettingEngine{}
	settings.SetFireOnTrackBeforeFirstRTP(true)
	api := webrtc.NewAPI(webrtc.WithSettingEngine(settings), webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(registry))
	peer, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return err
	}
	defer peer.Close()
	seen := &sight{codec: codec}
	peer.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		if track.Kind() == webrtc.RTPCodecTypeVideo {
			go askForKey(peer, track, seen)
		}
		for {
			packet, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			if track.Kind() == webrtc.RTPCodecTypeVideo {
				seen.takeVideo(packet)
			} else {
				seen.takeAudio(packet)
			}
		}
	})
	ports, err := addMedia(peer, role, codec)
	if err != nil {
		return err
	}
	made, err := connect(peer, target, token)
	if err != nil {
		return err
	}
	defer made.leave()
	say(map[string]any{"connected": true})
	if role == "publish" {
		ffmpeg, err := makeMedia(codec, ports)
		if err != nil {
			return err
		}
		defer ffmpeg.Process.Kill()
	}
	left := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(left)
	}()
	for {
		select {
		case <-left:
			return nil
		case <-time.After(reportEvery):
			if role == "watch" {
				say(seen.report())
			}
		}
	}
}

func main() {
	if len(os.Args) != 5 {
		say(map[string]any{"failed": "pion publish|watch URL TOKEN VP8|H264"})
		os.Exit(1)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		say(map[string]any{"failed": err.Error()})
		os.Exit(1)
	}
}
