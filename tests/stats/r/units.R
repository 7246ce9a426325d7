# Fixtures for tests/stats/test_over_items.py and test_estimates.py: units `items` and `base` as mixed models of lme4,
# df and p by lmerTest. Debian: apt-get install r-base-core r-cran-lme4 r-cran-lmertest
# Run from this folder, after crossed.R: Rscript units.R. Reads crossed_data.csv, writes base_data.csv and units.csv.
suppressMessages({library(lme4); library(lmerTest)})
tight <- lmerControl(optimizer = "bobyqa", calc.derivs = FALSE,
                     optCtrl = list(rhobeg = 0.2, rhoend = 2e-7, maxfun = 1e5))
row <- function(dataset, unit, fit, effect) {
  table <- coef(summary(fit))[effect, ]
  data.frame(dataset = dataset, unit = unit, estimate = table[["Estimate"]], se = table[["Std. Error"]],
             df = table[["df"]], p_value = table[["Pr(>|t|)"]], singular = isSingular(fit))
}
rows <- list()

# Unit items: differences of the items' means over runs, with domains random.
crossed <- read.csv("crossed_data.csv")
for (name in c("domains_half", "domains_fifth", "domains_small")) {
  means <- aggregate(shift ~ item + domain + condition, crossed[crossed$dataset == name, ], mean)
  wide <- merge(means[means$condition == "treatment", ], means[means$condition == "control", ], by = c("item", "domain"))
  wide$difference <- wide$shift.x - wide$shift.y
  fit <- lmer(difference ~ 1 + (1 | domain), wide, REML = TRUE, control = tight)
  rows[[name]] <- row(name, "items", fit, "(Intercept)")
}

# Unit base: run means, runs nested in base checkpoints, on the same items.
simulate <- function(seed, checkpoints, runs, items, sd_base, sd_run, sd_error) {
  set.seed(seed)
  data <- expand.grid(item = seq_len(items), run = seq_len(runs), condition = c("control", "treatment"),
                      checkpoint = seq_len(checkpoints))
  treated <- as.numeric(data$condition == "treatment")
  slope <- rnorm(checkpoints, 0.4, sd_base); level <- rnorm(checkpoints, 0, 0.3)
  of_run <- rnorm(checkpoints * 2 * runs, 0, sd_run)
  number <- (data$checkpoint - 1) * 2 * runs + treated * runs + data$run
  data$shift <- round(level[data$checkpoint] + treated * slope[data$checkpoint] + of_run[number] +
                        rnorm(items, 0, 0.5)[data$item] + rnorm(nrow(data), 0, sd_error), 6)
  data
}
sets <- list(base_three = simulate(51, 3, 3, 12, 0.40, 0.10, 0.2), base_five = simulate(52, 5, 2, 12, 0.25, 0.15, 0.3))
for (name in names(sets)) {
  means <- aggregate(shift ~ checkpoint + condition + run, sets[[name]], mean)
  means$half <- as.numeric(means$condition == "treatment") - 0.5
  fit <- lmer(shift ~ half + (1 | checkpoint) + (0 + half | checkpoint), means, REML = TRUE, control = tight)
  rows[[name]] <- row(name, "base", fit, "half")
  sets[[name]]$dataset <- name
}
write.csv(do.call(rbind, rows), "units.csv", row.names = FALSE)
write.csv(do.call(rbind, sets), "base_data.csv", row.names = FALSE, quote = FALSE)
