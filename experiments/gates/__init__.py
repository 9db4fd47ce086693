"""What the gates of recurrent layers do."""
