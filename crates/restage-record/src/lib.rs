//! Recordings: the packets of a publication become segments, playlists and documents.
