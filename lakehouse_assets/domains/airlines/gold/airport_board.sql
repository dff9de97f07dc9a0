WITH departures AS (
    SELECT origin AS airport,
           date_trunc('HOUR', scheduled_departure_at) AS hour,
           count(*) AS departures,
           count_if(cancelled) AS cancelled,
           count_if(departure_delay_minutes >= 15) AS delayed_15,
           avg(departure_delay_minutes) AS mean_departure_delay
    FROM flights
    GROUP BY 1, 2
)
SELECT d.*,
       w.temperature_f, w.wind_speed_mph, w.wind_gust_mph, w.precipitation_inches, w.visibility_miles,
       w.airport IS NOT NULL AS weather_known
FROM departures d
LEFT JOIN weather w ON d.airport = w.airport AND d.hour = w.observed_at
