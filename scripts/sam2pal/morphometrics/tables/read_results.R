# Read a table of results with names as text, so that specimen 0160 stays 0160.
#   source("read_results.R")
#   table <- read_results("measurements.csv")
# For a spreadsheet: Data, From text; give the column `specimen` the type Text.
read_results <- function(path) {
  columns <- read.delim(file.path(dirname(path), "columns.tsv"), colClasses = "character", quote = "")
  name <- sub("[.]csv$", "", basename(path))
  text <- c(columns$column[columns$table == name & columns$type == "text"], "genus", "round", "specimen")
  header <- names(read.csv(path, nrows = 1, check.names = FALSE))
  classes <- ifelse(header %in% text, "character", NA)
  read.csv(path, colClasses = classes, check.names = FALSE, na.strings = "", encoding = "UTF-8")
}
