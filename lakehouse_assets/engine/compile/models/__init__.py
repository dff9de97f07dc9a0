"""Models as Dagster assets, the checks by which they are watched, and the sensor that trains them anew."""
