"""What Spark raises, told apart, in words for the person who has to mend it."""
